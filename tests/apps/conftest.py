"""What tests of applications share."""

import pytest

from kdsharp.deploy import Sharpener, load_student


@pytest.fixture(scope="session")
def student() -> Sharpener:
    """The published student of calls, on ONNX Runtime."""
    return load_student("call-s", engine="onnx")


@pytest.fixture
def nearly_lossless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Videos are encoded so well that what the network did can be seen."""
    from kdsharp.apps.video import encoder

    monkeypatch.setattr(encoder, "QUALITY", 4)
