"""Videos through a student: same frames at the same times, sound and description untouched, faults survived."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clips import Nothing, decoded, framed, luma, panned, tone, write

import kdsharp
from kdsharp.apps.cli import main
from kdsharp.deploy import Sharpener, load_student
from kdsharp.errors import KdsharpError

av = pytest.importorskip("av")

from kdsharp.apps import video  # noqa: E402 (it is of use with PyAV only)
from kdsharp.apps.video import encoder, frames  # noqa: E402

WIDTH, HEIGHT, COUNT = 178, 100, 40


def write_clip(
    path: Path,
    times: list[int] | None = None,
    sound: bool = True,
    rotation: int = 0,
    matrix: int = 1,
    full: bool = False,
    pixels: str = "yuv420p",
) -> Path:
    """A clip of a moving face at 25 frames a second (or at `times` in ms), with a tone."""

    def described(_: object, stream: av.VideoStream) -> list:
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, 1 + full
        if rotation:
            stream.set_display_rotation(rotation)
        return []

    colours = {"format": pixels, "dst_colorspace": matrix, "dst_color_range": 1 + full}
    pictures = zip(times or range(0, 40 * COUNT, 40), panned(WIDTH, HEIGHT, COUNT), strict=True)
    shown = [framed(picture, time, Fraction(1, 1000), **colours) for time, picture in pictures]
    options = {"crf": "16", "g": "10", "preset": "ultrafast"}
    return write(path, shown, options=options, before=described, sound="aac" if sound else "")


def packets(path: Path) -> list[tuple]:
    """Sound as it lies in the file."""
    with av.open(str(path)) as container:
        return [
            (packet.pts, bytes(packet))
            for packet in container.demux(container.streams.audio[0])
            if packet.size
        ]


def full_range(studio: np.ndarray) -> np.ndarray:
    return np.clip(np.rint((studio.astype(float) - 16) * 255 / 219), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_frames_times_and_sound_stay(suffix: str, tmp_path: Path, student: Sharpener) -> None:
    source = write_clip(tmp_path / f"in{suffix}")
    assert video.sharpen_video(source, tmp_path / f"out{suffix}", student) == COUNT
    before, after = decoded(source), decoded(tmp_path / f"out{suffix}")
    assert [frame.time for frame in after] == pytest.approx([frame.time for frame in before], abs=1e-3)
    assert packets(tmp_path / f"out{suffix}") == packets(source)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"in{suffix}", f"out{suffix}"]


def test_what_comes_out_is_sharper_and_its_chroma_the_same(
    tmp_path: Path, nearly_lossless: None, student: Sharpener
) -> None:
    source = write_clip(tmp_path / "in.mp4", sound=False)
    video.sharpen_video(source, tmp_path / "out.mp4", student)
    before, after = decoded(source)[20], decoded(tmp_path / "out.mp4")[20]
    wanted = student.luma(full_range(luma(before)))
    assert np.abs(full_range(luma(after)).astype(int) - wanted).mean() < 1.5
    assert np.abs(luma(after).astype(int) - luma(before)).mean() > 0.2
    for one, two in zip(before.planes[1:], after.planes[1:], strict=True):
        assert np.abs(frames.plane(one).astype(int) - frames.plane(two)).mean() < 1


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("full", [False, True])
def test_a_luma_that_the_network_leaves_alone_comes_back_exactly(full: bool, bits: int) -> None:
    pixels = "yuv420p" if bits == 8 else f"yuv420p{bits}le"
    frame = av.VideoFrame(1 << bits, 16, pixels)
    frame.color_range = 2 if full else 1
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    unit = 1 << (bits - 8)
    values = np.arange(1 << bits)
    luma(frame)[:] = (values if full else values.clip(16 * unit, 235 * unit)).astype(luma(frame).dtype)
    for plane in frame.planes[1:]:
        frames.plane(plane, bits)[:] = 77 * unit
    out = frames.sharp(frame, Nothing(), 1.0, encoder.Pictures(pixels, bits, "libx264"))
    assert np.array_equal(luma(out), luma(frame))
    assert (frames.plane(out.planes[1], bits) == 77 * unit).all()
    assert out.color_range == frame.color_range


@pytest.mark.parametrize(("matrix", "full"), [(1, False), (5, True), (6, False)])
def test_matrix_and_range_stay(
    matrix: int, full: bool, tmp_path: Path, nearly_lossless: None, student: Sharpener
) -> None:
    source = write_clip(tmp_path / "in.mp4", sound=False, matrix=matrix, full=full)
    video.sharpen_video(source, tmp_path / "out.mp4", student, strength=0.0)
    before, after = decoded(source)[0], decoded(tmp_path / "out.mp4")[0]
    assert (
        (after.colorspace, after.color_range) == (before.colorspace, before.color_range) == (matrix, 1 + full)
    )
    colours = [frame.to_ndarray(format="rgb24").astype(int) for frame in (before, after)]
    assert np.abs(colours[0] - colours[1]).mean() < 1.5


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_rotation_stays(rotation: int, tmp_path: Path, student: Sharpener) -> None:
    source = write_clip(tmp_path / "in.mp4", sound=False, rotation=rotation)
    video.sharpen_video(source, tmp_path / "out.mp4", student)
    assert decoded(tmp_path / "out.mp4")[0].rotation == decoded(source)[0].rotation != 0


def test_a_variable_frame_rate_stays_variable(tmp_path: Path, student: Sharpener) -> None:
    times = np.cumsum([0, *np.random.default_rng(0).integers(10, 200, COUNT - 1)]).tolist()
    source = write_clip(tmp_path / "in.mp4", times=times, sound=False)
    video.sharpen_video(source, tmp_path / "out.mp4", student)
    assert [frame.time for frame in decoded(tmp_path / "out.mp4")] == pytest.approx(
        [time / 1000 for time in times], abs=2e-3
    )


def test_broken_packets_are_survived(
    tmp_path: Path, student: Sharpener, caplog: pytest.LogCaptureFixture
) -> None:
    """A third of the file is noise: what can be decoded comes out, in order."""
    source = write_clip(tmp_path / "in.mkv", sound=False)
    damaged = bytearray(source.read_bytes())
    start = len(damaged) // 3
    damaged[start : 2 * start] = np.random.default_rng(1).bytes(start)
    source.write_bytes(damaged)
    count = video.sharpen_video(source, tmp_path / "out.mkv", student)
    times = [frame.time for frame in decoded(tmp_path / "out.mkv")]
    assert 5 < count <= COUNT and times == sorted(times)


def test_upscaling(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mkv", sound=False, pixels="yuv444p")
    assert kdsharp.sharpen_video(source, tmp_path / "out.mp4", "x2-s") == COUNT  # a name will do
    frame = decoded(tmp_path / "out.mp4")[0]
    assert (frame.width, frame.height, frame.format.name) == (2 * WIDTH, 2 * HEIGHT, "yuv444p")


@pytest.mark.parametrize(
    "fault", ["text", "sound only", "same file", "there already", "wrong name", "network fails"]
)
def test_faults_leave_nothing_behind(fault: str, tmp_path: Path, student: Sharpener) -> None:
    source, out = write_clip(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    if fault == "text":
        source.write_text("no video")
    elif fault == "sound only":
        with av.open(str(source), "w") as container:
            for packet in tone(container.add_stream("aac", rate=48000), 0.1):
                container.mux(packet)
    elif fault == "same file":
        out = source
    elif fault == "there already":
        out.write_bytes(b"precious")
    elif fault == "wrong name":
        out = tmp_path / "out.txt"
    else:
        student = load_student("x4-m", engine="onnx")  # of colours
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(KdsharpError):
        video.sharpen_video(source, out, student)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_command_line_takes_videos(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    source = write_clip(tmp_path / "in.mp4")
    assert main(["sharpen", str(source), str(tmp_path / "out.mp4"), "--strength", "0.5"]) == 0
    assert f"{COUNT} frames in" in capsys.readouterr().out
    assert main(["sharpen", str(source), str(tmp_path / "out.mp4")]) == 2


@pytest.mark.parametrize(("width", "sampling"), [(160, "yuv420p"), (162, "yuv444p")])
def test_a_video_is_enlarged_by_three_halves(
    width: int, sampling: str, three_halves: Path, tmp_path: Path
) -> None:
    """Times and sound stay; 1.5 times 162 is odd, which 4:2:0 does not hold."""
    shown = [
        framed(picture, number, format="yuv420p") for number, picture in enumerate(panned(width, 100, 8))
    ]
    source = write(tmp_path / "in.mp4", shown, sound="aac")
    command = ["sharpen", str(source), str(tmp_path / "out.mp4"), "--student", str(three_halves)]
    assert main([*command, "--engine", "onnx"]) == 0
    before, after = decoded(source), decoded(tmp_path / "out.mp4")
    assert {(frame.width, frame.height, frame.format.name) for frame in after} == {
        (width * 3 // 2, 150, sampling)
    }
    assert [frame.time for frame in after] == pytest.approx([frame.time for frame in before], abs=1e-3)
    assert packets(tmp_path / "out.mp4") == packets(source)
