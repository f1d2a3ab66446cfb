"""Which device and which number format a model runs in when nobody said. Knows no models."""

import time
from functools import cache

import torch


def best_device() -> torch.device:
    """CUDA, then Apple's GPU, then the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def best_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware is fast at it, else float32; float16 on CUDA cards without it."""
    match device.type:
        case "cuda":
            return (
                torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
            )
        case "cpu":
            return torch.bfloat16 if _bfloat16_pays() else torch.float32
        case _:
            return torch.float32


def offloads(device: torch.device, weights: int) -> bool:
    """Whether what a step does not need should wait in main memory: on a CUDA card where all ``weights``
    (bytes) would take more than half of what is free, as pictures in the making need room too."""
    if device.type != "cuda":
        return False
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # torch's, for reuse
    return 2 * weights > torch.cuda.mem_get_info(device)[0] + held


@cache
def _bfloat16_pays() -> bool:
    """Whether a matrix product is faster by a quarter in bfloat16, measured once (milliseconds).

    The processor's flags do not tell: with AMX bfloat16 is several times faster, while the same model
    without it (as virtual machines often hide it) still has AVX-512 bf16 and is slower than in float32.
    """
    can = torch.cpu.get_capabilities()
    if not (can.get("avx512_bf16") or can.get("amx_bf16")):
        return False
    return _product_seconds(torch.bfloat16) < 0.75 * _product_seconds(torch.float32)


def _product_seconds(dtype: torch.dtype, side: int = 512) -> float:
    """The fastest of five products of two square matrices."""
    matrix = torch.ones(side, side, dtype=dtype)
    seconds = []
    for _ in range(6):  # the first one also builds the kernel
        began = time.perf_counter()
        torch.mm(matrix, matrix)
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:])
