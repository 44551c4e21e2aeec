"""The colours that a network works on: RGB, or luma alone."""

from torch import Tensor, nn
from torch.nn import functional as F

from kdsharp.data.colour import LUMA

CHANNELS = {"rgb": 3, "luma": 1}


def to_luma(rgb: Tensor) -> Tensor:
    """Luma of full range, (N, 1, H, W), of RGB (N, 3, H, W), both in [0, 1]."""
    return (rgb * rgb.new_tensor(LUMA)[None, :, None, None]).sum(dim=1, keepdim=True)


def apply_to_rgb(network: nn.Module, rgb: Tensor) -> Tensor:
    """RGB (N, 3, H, W) in [0, 1] through a network; a luma student's correction is added to R, G and B alike.

    YCbCr is linear: with chroma untouched, a luma change of d adds exactly d to each of R, G and B. Where the network
    enlarges, chroma is enlarged by bicubic interpolation.
    """
    if network.colour == "rgb":
        return network(rgb).clamp(0, 1)
    luma = network(to_luma(rgb))
    if network.scale > 1:
        rgb = F.interpolate(rgb, size=luma.shape[-2:], mode="bicubic")
    return (rgb + luma - to_luma(rgb)).clamp(0, 1)
