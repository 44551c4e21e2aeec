"""The table of streams: every frame arrives, and a stream that gives other pictures is no result."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import streams
from kdsharp.errors import KdsharpError

pytest.importorskip("av")


def test_every_frame_of_a_call_arrives_enlarged() -> None:
    frames = [np.full((180, 320, 3), 20 * number, np.uint8) for number in range(6)]
    shown = list(streams.received(frames, (160, 90), 100))
    assert len(shown) == 6 and {frame.shape for frame in shown} == {(1080, 1920, 3)}
    assert [round(frame.mean() / 20) for frame in shown] == list(range(6))


@pytest.mark.parametrize("honest", [True, False])
def test_a_stream_must_give_the_same_frames(honest: bool) -> None:
    class Copying:
        run = SimpleNamespace()

        def __call__(self, frame: np.ndarray) -> np.ndarray:
            return frame.copy()

        def remembering(self) -> object:
            return self if honest else lambda frame: frame ^ (frame.mean() > 50)

    frames = [np.full((8, 8, 3), 40 * number, np.uint8) for number in range(4)]
    if honest:
        assert streams.measure("a clip", frames, Copying())["computed"] == 1
    else:
        with pytest.raises(KdsharpError, match="a clip: frame 2 of the stream"):
            streams.measure("a clip", frames, Copying())
