"""Which device and which number format a model runs in when nobody said. Knows no models."""

import torch


def best_device() -> torch.device:
    """CUDA, then Apple's GPU, then the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def best_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware multiplies it natively, else float32; float16 on CUDA cards without it."""
    match device.type:
        case "cuda":
            return (
                torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
            )
        case "cpu":
            can = torch.cpu.get_capabilities()
            return torch.bfloat16 if can.get("avx512_bf16") or can.get("amx_bf16") else torch.float32
        case _:
            return torch.float32
