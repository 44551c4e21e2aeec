"""Videos through a student: same frames at the same times, sound and description untouched, faults survived."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from kdsharp import data
from kdsharp.apps.cli import main
from kdsharp.deploy import sharpen
from kdsharp.errors import KdsharpError

av = pytest.importorskip("av")

from kdsharp.apps import video, video_encoder, video_frames  # noqa: E402 (they are of use with PyAV only)

WIDTH, HEIGHT, COUNT = 178, 100, 40


@pytest.fixture(scope="module")
def student() -> sharpen.Sharpener:
    return sharpen.load_student("call-s", engine="onnx")


def pictures() -> list[np.ndarray]:
    photo = data.read_image(data.embedded_photos("val")[0])
    return [np.ascontiguousarray(photo[n : n + HEIGHT, 60 : 60 + WIDTH]) for n in range(COUNT)]


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
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=25, options={"crf": "16", "g": "10", "preset": "ultrafast"}
        )
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, 2 if full else 1
        if rotation:
            stream.set_display_rotation(rotation)
        tone = container.add_stream("aac", rate=44100) if sound else None
        for number, picture in enumerate(pictures()):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = frame.reformat(format=pixels, dst_colorspace=matrix, dst_color_range=2 if full else 1)
            frame.pts, frame.time_base = (times or range(0, 40 * COUNT, 40))[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for number in range(60 if sound else 0):
            wave = np.sin(2 * np.pi * 440 * (np.arange(1024) + 1024 * number) / 44100).astype(np.float32)
            block = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
            block.sample_rate, block.pts = 44100, 1024 * number
            container.mux(tone.encode(block))
        if sound:
            container.mux(tone.encode(None))
    return path


def frames(path: Path) -> list:
    with av.open(str(path)) as container:
        return list(container.decode(container.streams.video[0]))


def packets(path: Path) -> list[tuple]:
    """Sound as it lies in the file."""
    with av.open(str(path)) as container:
        return [
            (packet.pts, bytes(packet))
            for packet in container.demux(container.streams.audio[0])
            if packet.size
        ]


def luma(frame: av.VideoFrame) -> np.ndarray:
    return video_frames.plane(frame.planes[0], frame.format.components[0].bits)


def full_range(studio: np.ndarray) -> np.ndarray:
    return np.clip(np.rint((studio.astype(float) - 16) * 255 / 219), 0, 255).astype(np.uint8)


class Nothing:
    """A student that leaves everything alone."""

    scale = 1

    def luma(self, plane: np.ndarray) -> np.ndarray:
        return plane

    deep_luma = luma


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_frames_times_and_sound_stay(suffix: str, tmp_path: Path, student: sharpen.Sharpener) -> None:
    source = write_clip(tmp_path / f"in{suffix}")
    assert video.sharpen_video(source, tmp_path / f"out{suffix}", student) == COUNT
    before, after = frames(source), frames(tmp_path / f"out{suffix}")
    assert [frame.time for frame in after] == pytest.approx([frame.time for frame in before], abs=1e-3)
    assert packets(tmp_path / f"out{suffix}") == packets(source)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"in{suffix}", f"out{suffix}"]


def test_what_comes_out_is_sharper_and_its_chroma_the_same(
    tmp_path: Path, student: sharpen.Sharpener
) -> None:
    source = write_clip(tmp_path / "in.mp4", sound=False)
    video.sharpen_video(source, tmp_path / "out.mp4", student, quality=4)
    before, after = frames(source)[20], frames(tmp_path / "out.mp4")[20]
    wanted = student.luma(full_range(luma(before)))
    assert np.abs(full_range(luma(after)).astype(int) - wanted).mean() < 1.5
    assert np.abs(luma(after).astype(int) - luma(before)).mean() > 0.5
    for one, two in zip(before.planes[1:], after.planes[1:], strict=True):
        assert np.abs(video_frames.plane(one).astype(int) - video_frames.plane(two)).mean() < 1


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
        video_frames.plane(plane, bits)[:] = 77 * unit
    out = video_frames.sharp(frame, Nothing(), 1.0, video_encoder.Pictures(pixels, bits, "libx264"))
    assert np.array_equal(luma(out), luma(frame))
    assert (video_frames.plane(out.planes[1], bits) == 77 * unit).all()
    assert out.color_range == frame.color_range


@pytest.mark.parametrize(("matrix", "full"), [(1, False), (5, True), (6, False)])
def test_matrix_and_range_stay(matrix: int, full: bool, tmp_path: Path, student: sharpen.Sharpener) -> None:
    source = write_clip(tmp_path / "in.mp4", sound=False, matrix=matrix, full=full)
    video.sharpen_video(source, tmp_path / "out.mp4", student, strength=0.0, quality=4)
    before, after = frames(source)[0], frames(tmp_path / "out.mp4")[0]
    assert (
        (after.colorspace, after.color_range) == (before.colorspace, before.color_range) == (matrix, 1 + full)
    )
    colours = [frame.to_ndarray(format="rgb24").astype(int) for frame in (before, after)]
    assert np.abs(colours[0] - colours[1]).mean() < 1.5


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_rotation_stays(rotation: int, tmp_path: Path, student: sharpen.Sharpener) -> None:
    source = write_clip(tmp_path / "in.mp4", sound=False, rotation=rotation)
    video.sharpen_video(source, tmp_path / "out.mp4", student)
    assert frames(tmp_path / "out.mp4")[0].rotation == frames(source)[0].rotation != 0


def test_a_variable_frame_rate_stays_variable(tmp_path: Path, student: sharpen.Sharpener) -> None:
    times = np.cumsum([0, *np.random.default_rng(0).integers(10, 200, COUNT - 1)]).tolist()
    source = write_clip(tmp_path / "in.mp4", times=times, sound=False)
    video.sharpen_video(source, tmp_path / "out.mp4", student)
    assert [frame.time for frame in frames(tmp_path / "out.mp4")] == pytest.approx(
        [time / 1000 for time in times], abs=2e-3
    )


def test_broken_packets_are_survived(
    tmp_path: Path, student: sharpen.Sharpener, caplog: pytest.LogCaptureFixture
) -> None:
    """A third of the file is noise: what can be decoded comes out, in order."""
    source = write_clip(tmp_path / "in.mkv", sound=False)
    damaged = bytearray(source.read_bytes())
    start = len(damaged) // 3
    damaged[start : 2 * start] = np.random.default_rng(1).bytes(start)
    source.write_bytes(damaged)
    count = video.sharpen_video(source, tmp_path / "out.mkv", student)
    times = [frame.time for frame in frames(tmp_path / "out.mkv")]
    assert 5 < count <= COUNT and times == sorted(times)


def test_upscaling(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mkv", sound=False, pixels="yuv444p")
    twice = sharpen.load_student("x2-s", engine="onnx")
    assert video.sharpen_video(source, tmp_path / "out.mp4", twice) == COUNT
    frame = frames(tmp_path / "out.mp4")[0]
    assert (frame.width, frame.height, frame.format.name) == (2 * WIDTH, 2 * HEIGHT, "yuv444p")


@pytest.mark.parametrize(
    "fault", ["text", "sound only", "same file", "there already", "wrong name", "network fails"]
)
def test_faults_leave_nothing_behind(fault: str, tmp_path: Path, student: sharpen.Sharpener) -> None:
    source, out = write_clip(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    if fault == "text":
        source.write_text("no video")
    elif fault == "sound only":
        with av.open(str(source), "w") as container:
            tone = container.add_stream("aac", rate=44100)
            block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            block.sample_rate = 44100
            container.mux(tone.encode(block))
            container.mux(tone.encode(None))
    elif fault == "same file":
        out = source
    elif fault == "there already":
        out.write_bytes(b"precious")
    elif fault == "wrong name":
        out = tmp_path / "out.txt"
    else:
        student = sharpen.load_student("x4-m", engine="onnx")  # of colours
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(KdsharpError):
        video.sharpen_video(source, out, student)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_command_line_takes_videos(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    source = write_clip(tmp_path / "in.mp4")
    assert main(["sharpen", str(source), str(tmp_path / "out.mp4"), "--strength", "0.5"]) == 0
    assert f"{COUNT} frames in" in capsys.readouterr().out
    assert main(["sharpen", str(source), str(tmp_path / "out.mp4")]) == 2
