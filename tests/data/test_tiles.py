"""Tiles cover a picture, and put together they are what the whole would have been."""

import numpy as np
import pytest

from kdsharp.data.tiles import spans


@pytest.mark.parametrize("length", [1, 31, 32, 33, 64, 100, 257])
@pytest.mark.parametrize(("tile", "step"), [(32, 32), (32, 24), (40, 8)])
@pytest.mark.parametrize("scale", [1, 3])
def test_tiles_put_together_are_the_whole(length: int, tile: int, step: int, scale: int) -> None:
    """Beside a filter that looks 5 pixels far, tiles that see 5 more leave no seam."""
    line = np.random.default_rng(0).random(length)

    def blurred_and_enlarged(part: np.ndarray) -> np.ndarray:
        return np.convolve(np.pad(part, 5), np.arange(11.0), "valid").repeat(scale)

    result, covered = np.full(length * scale, np.nan), np.zeros(length, int)
    for span in spans(length, tile, step, context=5):
        assert span.end - span.start <= tile
        covered[span.place()] += 1
        result[span.place(scale)] = blurred_and_enlarged(line[span.seen])[span.kept(scale)]
    np.testing.assert_allclose(result, blurred_and_enlarged(line), rtol=1e-12)
    assert covered.min() == 1
    if step == tile:
        assert covered.max() == 1


@pytest.mark.parametrize("length", [1, 2, 31, 64, 101, 258])
def test_tiles_that_begin_at_even_pixels_are_put_together_at_three_halves(length: int) -> None:
    """Each pair becomes three, what remains of an odd length two."""
    line = np.random.default_rng(0).random(length)

    def enlarged_pairs(part: np.ndarray) -> np.ndarray:
        first, second = part[::2], np.pad(part, (0, len(part) % 2), mode="edge")[1::2]
        return np.stack([first, (first + second) / 2, second], 1).ravel()[: (3 * len(part) + 1) // 2]

    result = np.full((3 * length + 1) // 2, np.nan)
    for span in spans(length, 32, 24, context=6):
        result[span.place(1.5)] = enlarged_pairs(line[span.seen])[span.kept(1.5)]
    np.testing.assert_array_equal(result, enlarged_pairs(line))
