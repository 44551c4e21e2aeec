"""The steps of a frame's way add up to the frame, and nothing but the network differs between networks."""

import pytest

from benchmarks import frame_path

pytest.importorskip("openvino")


@pytest.mark.heavy
def test_the_steps_make_up_the_frame() -> None:
    small, large = frame_path.steps(["call-xs", "call-m"], ["openvino-int8"])
    for row in (small, large):
        whole, *parts = (row[step] for step in frame_path.STEPS)
        assert 0.5 * whole < sum(parts) < 1.5 * whole
    assert large["the network"] > 1.3 * small["the network"]
