"""Calls in real codecs: what is sent arrives, in order and at its rate; means are of the calls that a method fits."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import calls
from kdsharp import data, evaluate
from kdsharp.errors import KdsharpError

av = pytest.importorskip("av")


@pytest.fixture(scope="module")
def pan() -> list[np.ndarray]:
    photo = data.read_image(data.embedded_photos("val")[0])
    return [frame[:240, :480] for frame in calls._pan(photo, calls.WARM + calls.SHOWN)]


@pytest.mark.parametrize("codec", calls.CODECS)
def test_every_frame_arrives_at_about_its_rate(pan: list[np.ndarray], codec: str) -> None:
    poor, good = (calls.send(pan, codec, 2, kbps) for kbps in (40, 300))
    assert len(poor.small) == len(poor.originals) == calls.SHOWN
    assert poor.small[0].shape == (120, 240, 3) and poor.kbps < 0.7 * good.kbps < 400
    for call in (poor, good):
        scores = [
            [evaluate.psnr(shown, hr) for hr in call.originals]
            for shown in call.enlarged(calls.cv2.INTER_CUBIC)
        ]
        assert np.argmax(scores, axis=1).tolist() == list(range(calls.SHOWN))  # each is nearest to its own
    assert _mean_psnr(good) > _mean_psnr(poor) + 1


def _mean_psnr(call: calls.Call) -> float:
    pairs = zip(call.enlarged(calls.cv2.INTER_CUBIC), call.originals, strict=True)
    return float(np.mean([evaluate.psnr(*pair) for pair in pairs]))


def test_a_frame_that_is_lost_is_told(pan: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder that drops every second frame must not shift the others against their originals."""
    create = av.CodecContext.create

    class Dropping:
        def __init__(self, inner: object) -> None:
            vars(self)["inner"] = inner

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

        def __setattr__(self, name: str, value: object) -> None:
            setattr(self.inner, name, value)

        def encode(self, frame: object) -> list:
            return [] if frame is not None and frame.pts % 2 else self.inner.encode(frame)

    monkeypatch.setattr(
        av.CodecContext,
        "create",
        lambda name, mode: Dropping(create(name, mode)) if mode == "w" else create(name, mode),
    )
    with pytest.raises(KdsharpError, match="30 frames were sent and 15 arrived"):
        calls.send(pan, "H.264", 2, 100)


def test_means_are_of_the_calls_that_a_method_fits(tmp_path: Path) -> None:
    rows = [
        {"kind": "pans", "codec": codec, "method": method, "gain_db": gain, "gain_ssim": 0.0, "flicker": 1.0}
        for codec, method, gain in (
            *(("H.264", "bilinear", 0.0), ("VP8", "bilinear", 0.0)),
            *(("H.264", "a", 1.0), ("VP8", "a", 3.0), ("VP8", "b", 5.0)),
        )
    ]
    nothing, a, b = calls.summary(rows)
    assert (nothing["calls"], a["gain_db"], a["H.264"], a["VP8"], a["pans"]) == (2, 2.0, 1.0, 3.0, 2.0)
    assert (b["calls"], b["gain_db"], b["H.264"], b["jod"]) == (1, 5.0, None, None)
    calls.draw([nothing, a, b], tmp_path / "calls.png")
    assert (tmp_path / "calls.png").stat().st_size > 5000
    assert "+5.00" in evaluate.text_table([b], calls.COLUMNS)  # whatever is missing
