"""Every LoRA format against diffusers: by its own loader where that is exact, else by PEFT's modules.

That loader leaves the magnitudes of kohya's DoRAs out, and knows no LoHa or LoKr.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from adapters import LoraFolder
from benchmarks.parity.latents import RECIPE, Case, Models, Pair, our_latents, plain_pipeline, their_latents
from pipelines import Folders
from tests.ldm import UNET, ldm_unet
from tests.tiny import Family

Tensors = dict[str, Tensor]
RANK, ALPHA = 4, 2.0  # diffusers' loader is exact where they are one for all modules
OF_PEFT = re.compile(r"(.+)\.(hada_\w+|lokr_\w+|lora_[AB]|lora_magnitude_vector)\.default(?:\.weight)?")
AS_KOHYA = {"lora_A": "lora_down.weight", "lora_B": "lora_up.weight", "lora_magnitude_vector": "dora_scale"}
DORA = {"r": RANK, "lora_alpha": ALPHA, "use_dora": True, "init_lora_weights": False}
LOHA = {"r": RANK, "alpha": ALPHA, "init_weights": False}
LOKR = LOHA | {"r": 3, "decompose_factor": 2}  # so small that a factor of each is a product
NAME = "case"
PROMPT = f"{RECIPE.prompt} <lora:{NAME}:1>"


def places(unet: Any, convolutions: bool) -> dict[str, nn.Module]:
    """The modules that a case changes, by their names: attention's, or the convolutions'."""
    ends = ("conv1", "conv2", "time_emb_proj") if convolutions else ("to_q", "to_k", "to_v", "to_out.0")
    return {path: module for path, module in unet.named_modules() if path.endswith(ends)}


def factors(module: Any, rank: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(down, up), of a size that changes the latents well."""
    out, *rest = module.weight.shape
    down = torch.randn(rank, *rest, generator=generator) * 0.2
    return down, torch.randn(out, rank, *(1,) * (len(rest) - 1), generator=generator) * 0.2


def kohya(path: str) -> str:
    return "lora_unet_" + path.replace(".", "_")


def stability(unet: Any) -> Callable[[str], str]:
    """The names that SDXL's trainers give: those of Stability's code."""
    weights = {
        f"{path}.weight": torch.empty(0)
        for path, module in unet.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    }
    named = dict(zip(weights, ldm_unet(weights, dict(unet.config)), strict=True))
    return lambda path: kohya(named[f"{path}.weight"].removeprefix(UNET).removesuffix(".weight"))


def lora(
    unet: Any,
    name: Callable[[str], str] = kohya,
    convolutions: bool = False,
    suffixes: tuple[str, str] = ("lora_down", "lora_up"),
) -> Tensors:
    """One rank and one alpha for all modules."""
    generator = torch.Generator().manual_seed(3)
    made: Tensors = {}
    for path, module in places(unet, convolutions).items():
        down, up = factors(module, RANK, generator)
        made |= {f"{name(path)}.{suffixes[0]}.weight": down, f"{name(path)}.{suffixes[1]}.weight": up}
        if suffixes[0] != "lora_A":  # PEFT's files have no alpha of their own
            made[f"{name(path)}.alpha"] = torch.tensor(ALPHA)
    return made


def _by_loader(models: Models, family: Family, make: Callable[[Any], Tensors]) -> Pair:
    """Diffusers reads the same file."""
    folder = models.folder(family)
    file = _written(models, make(models.parts(folder).unet))
    pipeline = plain_pipeline(folder, family)
    pipeline.load_lora_weights(file)
    return _pair(models, folder, file, pipeline)


def _by_peft(models: Models, kind: str, **config: Any) -> Pair:
    """The layers of PEFT's ``kind`` in diffusers' U-Net, and the file that their weights make."""
    import peft

    folder = models.folder("sd")
    pipeline = plain_pipeline(folder, "sd")
    wanted = getattr(peft, f"{kind}Config")(target_modules=["to_q", "to_k", "to_v", "to_out.0"], **config)
    torch.manual_seed(4)
    peft.inject_adapter_in_model(wanted, pipeline.unet)
    made: Tensors = {}
    with torch.no_grad():
        for name, parameter in pipeline.unet.named_parameters():
            if (found := OF_PEFT.fullmatch(name)) is None:
                continue
            size = parameter if found[2] == "lora_magnitude_vector" else torch.zeros(())
            parameter.copy_(size + 0.3 * torch.randn(parameter.shape))
            key, suffix = kohya(found[1]), AS_KOHYA.get(found[2], found[2])
            made[f"{key}.{suffix}"] = parameter.detach().clone()
            made[f"{key}.alpha"] = torch.tensor(ALPHA)
    return _pair(models, folder, _written(models, made), pipeline)


def _mixed(models: Models) -> Pair:
    """Ranks and alphas of each module's own, which diffusers' loader does not scale right: its weights are
    changed for good instead, by alpha / rank * up * down written out."""
    folder = models.folder("sd")
    pipeline = plain_pipeline(folder, "sd")
    generator = torch.Generator().manual_seed(5)
    made: Tensors = {}
    with torch.no_grad():
        for k, (path, module) in enumerate(places(pipeline.unet, convolutions=False).items()):
            rank, alpha = 1 + k % 4, 0.5 + k % 3
            down, up = factors(module, rank, generator)
            module.get_parameter("weight").add_(alpha / rank * (up @ down))
            made |= {f"{kohya(path)}.lora_down.weight": down, f"{kohya(path)}.lora_up.weight": up}
            made[f"{kohya(path)}.alpha"] = torch.tensor(alpha)
    return _pair(models, folder, _written(models, made), pipeline)


def _written(models: Models, tensors: Mapping[str, Tensor]) -> Path:
    file = models.root / "loras" / f"{NAME}.safetensors"
    file.parent.mkdir(exist_ok=True)
    save_file(dict(tensors), file)
    return file


def _pair(models: Models, folder: Path, file: Path, pipeline: Any) -> Pair:
    parts = models.parts(folder)
    materials = Folders(LoraFolder(file.parent)).of(parts)
    ours = our_latents(RECIPE.model_copy(update={"prompt": PROMPT}), parts, materials)
    return Pair(ours, their_latents(pipeline, RECIPE), our_latents(RECIPE, parts))


def _sdxl_conv(unet: Any) -> Tensors:
    return lora(unet, stability(unet), convolutions=True)


def _peft_names(unet: Any) -> Tensors:
    return lora(unet, "unet.{}".format, suffixes=("lora_A", "lora_B"))


CASES = [
    Case("LoRA, SD 1.5: kohya's names", partial(_by_loader, family="sd", make=lora)),
    Case("LoRA, SD 1.5: PEFT's names", partial(_by_loader, family="sd", make=_peft_names)),
    Case("LoRA, SDXL: PEFT's names", partial(_by_loader, family="sdxl", make=_peft_names)),
    Case("LoCon, SD 1.5", partial(_by_loader, family="sd", make=partial(lora, convolutions=True))),
    Case("LoCon, SDXL: Stability's names", partial(_by_loader, family="sdxl", make=_sdxl_conv)),
    Case("DoRA, SD 1.5", partial(_by_peft, kind="Lora", **DORA)),
    Case("LoHa, SD 1.5", partial(_by_peft, kind="LoHa", **LOHA)),
    Case("LoKr, SD 1.5", partial(_by_peft, kind="LoKr", **LOKR)),
    Case("LoRA, SD 1.5: mixed ranks and alphas", _mixed),
]
