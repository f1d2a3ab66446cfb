"""Every way to tune a model on pictures of one's own, by name: one file here and one line adds one."""

from training.tuning.controlnet import CONTROLNET
from training.tuning.dpo import DPO
from training.tuning.dreambooth import DREAMBOOTH
from training.tuning.full import FULL
from training.tuning.lora import LORA
from training.tuning.qlora import QLORA
from training.tuning.textual_inversion import TEXTUAL_INVERSION
from training.tuning.tuning import At, Tuned, Tuning, TuningConfig

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
