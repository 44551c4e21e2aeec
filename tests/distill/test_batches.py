"""Patches out of files and out of memory."""

import pytest
import torch

from kdsharp.distill import batches


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("flip", [0, 1])
def test_patches_from_memory_are_those_from_the_files(flip: int, turns: int) -> None:
    crops = torch.randint(256, (5, 24, 24, 3), dtype=torch.uint8)
    draw = batches.Draw(3, 4, 6, flip, turns)
    for scale in (1, 1.5):
        from_files = batches.cut(crops.numpy(), [draw], 10, scale)
        assert torch.equal(batches.cut(crops, [draw], 10, scale), from_files)
        top, left, side = (int(number * scale) for number in (4, 6, 10))
        plain = torch.rot90(crops[3, top : top + side, left : left + side], turns)
        assert torch.equal(from_files[0], plain.flip(1) if flip else plain)
