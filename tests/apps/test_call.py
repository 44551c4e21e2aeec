"""A simulated call: the bitrate holds, pictures stay in step, and the student helps."""

import json
from pathlib import Path

import numpy as np
import pytest
from clips import decoded, framed, panned, write

from kdsharp import data
from kdsharp.apps import call, video
from kdsharp.apps.cli import main
from kdsharp.apps.video import channel
from kdsharp.deploy import Sharpener, load_student
from kdsharp.errors import KdsharpError

av = pytest.importorskip("av")

WIDTH, HEIGHT, COUNT = 320, 240, 24


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A camera that moves over a photograph, nearly lossless."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    frames = [
        framed(picture, number, format="yuv420p")
        for number, picture in enumerate(panned(WIDTH, HEIGHT, COUNT, step=(2, 3)))
    ]
    return write(path, frames, options={"crf": "6", "preset": "ultrafast"})


def test_the_student_helps_in_a_real_codec(clip: Path, student: Sharpener, tmp_path: Path) -> None:
    rows = call.simulate(clip, tmp_path / "out.mp4", student, kbps=300, size=(160, 120))
    assert [row["frame"] for row in rows] == list(range(COUNT))
    assert json.loads((tmp_path / "out.json").read_text()) == rows
    gains = [row["sharpened_psnr_y"] - row["received_psnr_y"] for row in rows]
    assert np.mean(gains) > 0.3 and f"{COUNT} frames" in call.summary(rows)
    frames = decoded(tmp_path / "out.mp4")
    assert len(frames) == COUNT and (frames[0].width, frames[0].height) == (3 * WIDTH, HEIGHT)
    assert frames[-1].time == pytest.approx((COUNT - 1) / 25, abs=1e-3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "out.mp4"]


def test_received_pictures_are_in_step_with_the_originals(clip: Path) -> None:
    """Each received frame is closer to its own original than to any neighbour's."""
    with av.open(str(clip)) as given:
        pairs = list(call._through_call(given, 400, (160, 120), "H.264"))
    originals = [pair[0].astype(float) for pair in pairs]
    for number, (_, received) in enumerate(pairs):
        distances = [np.abs(received - original).mean() for original in originals]
        assert int(np.argmin(distances)) == number


@pytest.mark.parametrize("kbps", [60, 240])
def test_the_bitrate_holds(kbps: int) -> None:
    arrived = list(channel.through(panned(WIDTH, HEIGHT, COUNT, step=(2, 3)), (160, 120), kbps))
    rate = 8 * sum(one.size for one in arrived) / 1000 / (COUNT / 25)
    assert kbps / 3 < rate < 2 * kbps  # a second is short: its key frame weighs more than its share


def test_other_codecs_than_h264(clip: Path, student: Sharpener, tmp_path: Path) -> None:
    rows = call.simulate(clip, tmp_path / "out.mp4", student, 300, (160, 120), codec="VP9")
    assert len(rows) == COUNT
    assert np.mean([row["sharpened_psnr_y"] - row["received_psnr_y"] for row in rows]) > 0.2


def test_a_codec_that_is_not_built_in_costs_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(channel.CODECS, "VP8", ("libnowhere", {}, "vp8"))
    with pytest.raises(KdsharpError, match="cannot write VP8: it has no libnowhere"):
        next(channel.through(panned(WIDTH, HEIGHT, 1), (160, 120), 100, codec="VP8"))


@pytest.mark.parametrize("fault", ["text", "small", "odd", "there already", "enlarging student"])
def test_faults_leave_nothing_behind(fault: str, clip: Path, tmp_path: Path, student: Sharpener) -> None:
    source, out, size = clip, tmp_path / "out.mp4", (160, 120)
    if fault == "text":
        source = tmp_path / "in.mp4"
        source.write_text("no video")
    elif fault == "small":
        size = (640, 360)
    elif fault == "odd":
        size = (161, 120)
    elif fault == "there already":
        out.write_bytes(b"precious")
    else:
        student = load_student("x2-s", engine="onnx")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(KdsharpError):
        call.simulate(source, out, student, 150, size)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_black_frame_decides_nothing(tmp_path: Path, student: Sharpener) -> None:
    """A clip that fades in begins with a frame that comes back exactly: no infinity, in no mean and in no JSON."""
    source, out = tmp_path / "fade.mp4", tmp_path / "out.mp4"
    photo = data.read_image(data.embedded_photos("val")[0])[:120, :160]
    video.write_video(source, [np.uint8(photo * (number / 5)) for number in range(6)])
    rows = call.simulate(source, out, student, 100, (80, 60))

    def never(constant: str) -> None:
        raise AssertionError(constant)

    assert json.loads((tmp_path / "out.json").read_text(), parse_constant=never) == rows
    assert rows[0]["received_psnr_y"] is None
    errors = [0 if row["received_psnr_y"] is None else 10 ** (-row["received_psnr_y"] / 10) for row in rows]
    assert f"received {-10 * np.log10(np.mean(errors)):.2f} dB" in call.summary(rows)
    equal = (
        {"frame": 0} | {f"{n}_psnr_y": None for n in call.NAMES} | {f"{n}_ssim_y": 1.0 for n in call.NAMES}
    )
    assert "received no error" in call.summary([equal])


def test_a_table_that_is_there_is_kept(clip: Path, tmp_path: Path, student: Sharpener) -> None:
    mine, out = tmp_path / "out.json", tmp_path / "out.mp4"
    mine.write_text("mine")
    with pytest.raises(KdsharpError, match=r"out\.json is there already"):
        call.simulate(clip, out, student, 300, (160, 120))
    assert mine.read_text() == "mine" and not out.exists()
    call.simulate(clip, out, student, 300, (160, 120), force=True)
    assert len(json.loads(mine.read_text())) == COUNT


def test_pictures_are_written_as_webm(tmp_path: Path) -> None:
    assert video.write_video(tmp_path / "out.webm", [np.full((64, 96, 3), 9, np.uint8)] * 3) == 3
    with av.open(str(tmp_path / "out.webm")) as container:
        assert container.streams.video[0].codec_context.name == "vp9"


def test_the_command_line(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = ["call", str(clip), str(tmp_path / "out.mp4"), "--size", "160x120", "--engine", "onnx"]
    assert main(arguments) == 0 and "frames: received" in capsys.readouterr().out
    assert main(arguments) == 2 and main([*arguments, "--size", "big"]) == 2
    assert main([*arguments, "--codec", "H.261"]) == 2
