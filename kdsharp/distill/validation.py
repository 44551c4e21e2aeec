"""How good a student is while it trains: PSNR over fixed crops that it never learns from, and a picture of four."""

import math
from pathlib import Path

import numpy as np
import torch
from torch import nn

from kdsharp import data
from kdsharp.disk import keep
from kdsharp.distill.targets import TargetStore
from kdsharp.student import apply_to_rgb, to_luma

CROPS, SHOWN = 32, 4


@torch.no_grad()
def validate(network: nn.Module, validation: TargetStore, folder: Path, step: int) -> float:
    """Mean PSNR in dB (peak 1, on the student's own planes) to HR over fixed crops; writes validation-STEP.png.

    A crop that is right to within 50 dB counts as 50, or clean ones would drown the others.
    """
    device = next(network.parameters()).device
    scores, rows = [], []
    for index in np.linspace(0, len(validation) - 1, min(CROPS, len(validation))).astype(int):
        inputs = data.to_tensor(np.asarray(validation.input[index])).to(device)
        hr = data.to_tensor(np.asarray(validation.hr[index])).to(device)
        result = apply_to_rgb(network, inputs)
        planes = (to_luma(result), to_luma(hr)) if network.colour == "luma" else (result, hr)
        scores.append(-10 * math.log10(max(nn.functional.mse_loss(*planes).item(), 1e-5)))
        if len(rows) < SHOWN:
            size = hr.shape[-2:]
            shown = (nn.functional.interpolate(inputs, size=size, mode="nearest"), result, hr)
            rows.append(np.concatenate([data.to_image(picture) for picture in shown], axis=1))
    keep.store(data.write_image(folder / f"validation-{step:06d}.png", np.concatenate(rows)))
    return float(np.mean(scores))
