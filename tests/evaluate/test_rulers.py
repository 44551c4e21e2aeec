"""The rulers beyond PSNR against published numbers, closed forms and orderings."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from kdsharp import data
from kdsharp.errors import KdsharpError
from kdsharp.evaluate import rulers


@pytest.mark.heavy
@pytest.mark.skipif(importlib.util.find_spec("basicsr") is None, reason="NIQE needs the extra `reference`")
def test_niqe_is_that_of_the_original_matlab_code(assets: Path) -> None:
    """basicsr's documentation quotes 5.7296 from MATLAB R2021a for the baboon, which is Set14's first picture."""
    baboon = data.read_image(data.list_photos(assets / "benchmarks" / "Set14")[0])
    assert rulers.niqe(baboon) == pytest.approx(5.7296, abs=1e-3)


def test_niqe_without_basicsr_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "basicsr", None)
    with pytest.raises(KdsharpError, match="reference"):
        rulers.niqe(np.zeros((200, 200, 3), np.uint8))


def test_niqe_of_a_thumbnail_is_refused() -> None:
    with pytest.raises(KdsharpError, match="too small"):
        rulers.niqe(np.zeros((150, 300, 3), np.uint8))


def test_flicker_is_the_change_of_the_error_and_nothing_else() -> None:
    originals = [np.full((8, 8, 3), 100 + 10 * t, np.uint8) for t in range(4)]
    still = [frame + 7 for frame in originals]
    jumping = [frame.astype(np.int16) + (3 if t % 2 else -3) for t, frame in enumerate(originals)]
    assert rulers.flicker(still, originals) == 0
    assert rulers.flicker([f.astype(np.uint8) for f in jumping], originals) == 6
    with pytest.raises(KdsharpError, match="two frames"):
        rulers.flicker(originals[:1], originals[:1])
