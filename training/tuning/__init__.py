"""Every way to tune a model on pictures of one's own, by name: one file here and one line adds one."""

from models.torchvision_guard import guard_torchvision

guard_torchvision()  # before anything here imports diffusers or transformers (ADR 0003)

from training.tuning.controlnet import CONTROLNET  # noqa: E402
from training.tuning.dpo import DPO  # noqa: E402
from training.tuning.dreambooth import DREAMBOOTH  # noqa: E402
from training.tuning.full import FULL  # noqa: E402
from training.tuning.lora import LORA  # noqa: E402
from training.tuning.qlora import QLORA  # noqa: E402
from training.tuning.textual_inversion import TEXTUAL_INVERSION  # noqa: E402
from training.tuning.tuning import At, Tuned, Tuning, TuningConfig  # noqa: E402

__all__ = ["TUNINGS", "At", "Tuned", "Tuning", "TuningConfig"]

TUNINGS: dict[str, Tuning] = {
    "full": FULL,
    "lora": LORA,
    "qlora": QLORA,
    "dreambooth": DREAMBOOTH,
    "textual-inversion": TEXTUAL_INVERSION,
    "controlnet": CONTROLNET,
    "dpo": DPO,
}
