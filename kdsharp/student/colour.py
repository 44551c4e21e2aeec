"""The colours that a network works on: RGB, or luma alone."""

from torch import Tensor, nn
from torch.nn import functional as F

from kdsharp.data.colour import LUMA
from kdsharp.recipes import whole_steps

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
        _, small = whole_steps(network.scale)
        right, bottom = -rgb.shape[-1] % small, -rgb.shape[-2] % small
        if right or bottom:  # as the network continues an odd side
            rgb = F.pad(rgb, (0, right, 0, bottom), mode="replicate")
        rgb = F.interpolate(rgb, scale_factor=network.scale, mode="bicubic")
        rgb = rgb[..., : luma.shape[-2], : luma.shape[-1]]
    return (rgb + luma - to_luma(rgb)).clamp(0, 1)
