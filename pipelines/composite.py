"""An edit put into its picture, in float32 and full resolution: what must not change is not computed."""

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from pipelines.canvas import Canvas, Frame

NEAR = 8.0  # pixels: how far around the border the model's cast is measured, at least
LEAST = 0.1  # of what is near must be known to trust it wholly


def composite(drawn: Tensor, canvas: Canvas, frame: Frame, feather: int, soft: bool) -> Tensor:
    """(B, 3, h, w) as the model drew it -> (B, 3 or 4, H, W) of the canvas, both in [-1, 1].

    Where the mask is 0 the canvas's own bytes come out; transparency stays as it is. A soft mask has acted in
    the drawing already, so that its grey counts more here.
    """
    base, reach = canvas.pixels, max(NEAR, feather)
    inside = _around(canvas.mask, frame, round(4 * reach))
    m, old = torch.from_numpy(canvas.mask[inside]), base[:3, *inside]
    rows, columns = inside
    new = frame.spread(drawn.float().cpu())[:, :, rows.start - frame.top :, columns.start - frame.left :]
    new = new[:, :, : m.shape[0], : m.shape[1]]
    new = torch.stack([matched(one, old, m, reach) for one in new]).clamp(-1, 1)
    share = (4 * m).clamp(max=1) if soft else m
    made = base.repeat(len(drawn), 1, 1, 1)
    made[:, :3, *inside] = old + share * (new - old)
    return made


def _around(mask: np.ndarray, frame: Frame, reach: int) -> tuple[slice, slice]:
    """(rows, columns) of the canvas within ``reach`` of the mask (H, W), as far as the frame goes."""
    low_high = [np.flatnonzero(mask.any(axis))[[0, -1]] + (-reach, reach + 1) for axis in (1, 0)]
    ends = ((frame.top, min(frame.bottom, mask.shape[0])), (frame.left, min(frame.right, mask.shape[1])))
    rows, columns = (slice(max(int(low), first), min(int(high), last))
                     for (low, high), (first, last) in zip(low_high, ends, strict=True))  # fmt: skip
    return rows, columns


def matched(new: Tensor, old: Tensor, mask: Tensor, reach: float) -> Tensor:
    """``new`` (3, H, W) without the cast that it has beside ``old`` where the mask (H, W) is 0.

    Beyond the mask the model only gives back what it was shown, so that the difference there is its own (the
    VAE's, mostly). Its mean nearby is taken off, also across the border; less where nothing known is near.
    """
    known = (mask == 0).numpy().astype(np.float32)
    if not known.any():
        return new
    weight = np.maximum(ndimage.gaussian_filter(known, reach), LEAST)
    cast = [ndimage.gaussian_filter(one * known, reach) / weight for one in (old - new).numpy()]
    return new + torch.from_numpy(np.stack(cast))
