"""JPEG on batched tensors: what the codec loses, without the file.

The tables and the scaling by quality are those of ITU-T T.81 (Annex K) and libjpeg; the colours are
JFIF's (BT.601, full range), chroma is halved in both directions (4:2:0). Entropy coding loses nothing, so it
is left out.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from kdsharp.data.colour import LUMA

_LUMA_TABLE = """
16 11 10 16 24 40 51 61     12 12 14 19 26 58 60 55
14 13 16 24 40 57 69 56     14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77   24 35 55 64 81 104 113 92
49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99
"""
_CHROMA_TABLE = """
17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99
24 26 56 99 99 99 99 99 47 66 99 99 99 99 99 99
99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99
99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99
"""
_TO_YCBCR = [LUMA, [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
_TO_RGB = [[1.0, 0.0, 1.402], [1.0, -0.344136, -0.714136], [1.0, 1.772, 0.0]]


def jpeg(images: Tensor, quality: Tensor) -> Tensor:
    """What a JPEG of the given quality shows of each image.

    Args:
        images: (N, 3, H, W), RGB in [0, 1], any size (padded to multiples of 16 by repeating the border).
        quality: (N,), 1 to 100 as in libjpeg.

    Returns (N, 3, H, W) in [0, 1].
    """
    height, width = images.shape[-2:]
    padded = F.pad(images * 255, (0, -width % 16, 0, -height % 16), mode="replicate")
    ycbcr = torch.einsum("ij,njhw->nihw", images.new_tensor(_TO_YCBCR), padded)
    factor = table_factor(quality.to(images))
    luma = _code(ycbcr[:, :1] - 128, _LUMA_TABLE, factor) + 128
    chroma = _code(F.avg_pool2d(ycbcr[:, 1:], 2), _CHROMA_TABLE, factor)
    decoded = torch.cat([luma, F.interpolate(chroma, scale_factor=2, mode="nearest")], dim=1)
    rgb = torch.einsum("ij,njhw->nihw", images.new_tensor(_TO_RGB), decoded)
    return (rgb[..., :height, :width] / 255).clamp(0, 1)


def table_factor(quality: Tensor) -> Tensor:
    """libjpeg's multiplier of the quantisation tables for a quality (N,) of 1 to 100."""
    return torch.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100


def _code(planes: Tensor, table: str, factor: Tensor) -> Tensor:
    """Planes (N, C, H, W) through the DCT, quantisation and back."""
    n, channels, height, width = planes.shape
    basis = _dct_basis(planes)
    blocks = planes.reshape(n, channels, height // 8, 8, width // 8, 8).transpose(3, 4)
    steps = planes.new_tensor([float(value) for value in table.split()]).reshape(8, 8)
    steps = (steps * factor[:, None, None, None, None, None]).clamp(1, 255)  # as libjpeg; 0 would divide by 0
    coefficients = torch.round(basis @ blocks @ basis.T / steps) * steps
    return (basis.T @ coefficients @ basis).transpose(3, 4).reshape(n, channels, height, width)


def _dct_basis(like: Tensor) -> Tensor:
    """The orthonormal 8-point DCT-II matrix."""
    k = torch.arange(8, dtype=torch.float64)
    basis = torch.cos((2 * k[None, :] + 1) * k[:, None] * torch.pi / 16) / 2
    basis[0] /= 2**0.5
    return basis.to(like)
