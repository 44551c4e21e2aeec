"""Videos of all kinds: what a file holds beside 8 bits of 4:2:0 is kept, or one line says what is not."""

import logging
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import COUNT, Nothing, decoded, luma, moving, write

from kdsharp.apps.cli import main
from kdsharp.errors import KdsharpError

av = pytest.importorskip("av")

from kdsharp.apps import video  # noqa: E402 (it is of use with PyAV only)
from kdsharp.apps.video import encoder, frames  # noqa: E402


def about(path: Path) -> list[tuple]:
    """Kind, codec, language and title of each stream."""
    with av.open(str(path)) as opened:
        found = []
        for stream in opened.streams:
            tags = {key.lower(): value for key, value in stream.metadata.items()}
            codec = stream.codec_context.name if stream.codec_context else stream.name
            found.append((stream.type, codec, tags.get("language"), tags.get("title", tags.get("name"))))
    return found


def warnings(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING)


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize("size", [(97, 65), (97, 64), (96, 65)])
def test_odd_sides_stay(ending: str, size: tuple[int, int], tmp_path: Path, nearly_lossless: None) -> None:
    source = write(tmp_path / "in.webm", moving(*size), "libvpx-vp9")
    assert video.sharpen_video(source, tmp_path / f"out{ending}", Nothing()) == COUNT
    before, after = decoded(source), decoded(tmp_path / f"out{ending}")
    assert (after[0].width, after[0].height) == size
    for one, two in zip(before, after, strict=True):
        pair = [frame.reformat(format="gray").to_ndarray().astype(int) for frame in (one, two)]
        assert np.abs(pair[0] - pair[1]).mean() < 2


@pytest.mark.parametrize(
    ("pixels", "ending", "kept"),
    [
        ("yuv422p", ".mp4", "yuv422p"),
        ("yuv444p", ".mov", "yuv444p"),
        ("yuv444p", ".webm", "yuv444p"),
        ("yuv420p10le", ".mp4", "yuv420p10le"),
        ("yuv422p10le", ".mkv", "yuv422p10le"),
        ("yuv420p10le", ".avi", "yuv420p10le"),
        ("yuv420p10le", ".webm", "yuv420p"),
    ],
)
def test_bits_and_sampling_stay_or_are_said(
    pixels: str,
    ending: str,
    kept: str,
    tmp_path: Path,
    nearly_lossless: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = write(tmp_path / "in.mkv", moving(96, 64, pixels))
    video.sharpen_video(source, tmp_path / f"out{ending}", Nothing())
    assert decoded(tmp_path / f"out{ending}")[0].format.name == kept
    assert ("2 of 10 bits" in warnings(caplog)) == (pixels != kept)


def test_ten_bits_are_finer_than_eight(tmp_path: Path, nearly_lossless: None) -> None:
    """A ramp with a step of 1 of 1023 keeps its steps, which 8 bits would merge by fours."""
    frame = av.VideoFrame(256, 64, "yuv420p10le")
    luma(frame)[:] = np.arange(300, 556)
    for plane in frame.planes[1:]:
        frames.plane(plane, 10)[:] = 512
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    source = write(tmp_path / "in.mkv", [frame], options={"qp": "0", "crf": "-1"})
    video.sharpen_video(source, tmp_path / "out.mkv", Nothing())
    assert len(np.unique(luma(decoded(tmp_path / "out.mkv")[0]))) > 200


def test_hdr_stays(tmp_path: Path) -> None:
    display = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
    known = {"x265-params": f"log-level=error:master-display={display}:max-cll=1000,400"}

    def tag(_: Any, stream: Any) -> list:
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = 9, 16, 9, 1
        return []

    source = write(tmp_path / "in.mp4", moving(96, 64, "yuv420p10le"), "libx265", known, tag)
    video.sharpen_video(source, tmp_path / "out.mp4", Nothing())
    before, after = decoded(source)[0], decoded(tmp_path / "out.mp4")[0]
    assert (after.color_primaries, after.color_trc, after.colorspace) == (9, 16, 9)
    for kind in ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"):
        assert bytes(after.side_data[kind]) == bytes(before.side_data[kind]) != b""


@pytest.mark.parametrize("bottom", [False, True])
def test_fields_stay(bottom: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    # x264 asks each frame which field comes first, and only a filter of FFmpeg's can mark it so.
    fields = [through(frame, "setfield", "bff" if bottom else "tff") for frame in moving(96, 64)]
    told = {"x264-params": f"{'bff' if bottom else 'tff'}=1"}
    source = write(tmp_path / "in.mp4", fields, options=told, flags=av.codec.context.Flags.interlaced_dct)
    assert decoded(source)[0].interlaced_frame
    video.sharpen_video(source, tmp_path / "out.mp4", Nothing())
    assert all(frame.interlaced_frame for frame in decoded(tmp_path / "out.mp4"))
    assert lower_first(decoded(tmp_path / "out.mp4")[2]) == lower_first(decoded(source)[2]) == bottom
    video.sharpen_video(source, tmp_path / "out.webm", Nothing())
    assert "interlaced" in warnings(caplog)


def lower_first(frame: Any) -> bool:
    first = through(frame.reformat(format="gray"), "separatefields")
    return not np.array_equal(first.to_ndarray(), frame.reformat(format="gray").to_ndarray()[::2])


def through(frame: Any, name: str, arguments: str | None = None) -> Any:
    """What FFmpeg's filter makes of a frame (its first answer)."""
    graph = av.filter.Graph()
    entry = graph.add_buffer(frame, time_base=frame.time_base)
    graph.link_nodes(entry, graph.add(name, arguments), graph.add("buffersink")).configure()
    graph.push(frame)
    graph.push(None)
    return graph.pull()


def test_each_field_is_sharpened_by_itself() -> None:
    """A student that takes the mean of its picture: two fields, black and white, stay what they are."""
    seen = []

    class Mean(Nothing):
        def luma(self, plane: np.ndarray) -> np.ndarray:
            seen.append(plane.shape)
            return np.full_like(plane, round(float(plane.mean())))

    frame = av.VideoFrame(32, 16, "yuv420p")
    frame.color_range = 2
    luma(frame)[::2], luma(frame)[1::2] = 10, 200
    for plane in frame.planes[1:]:
        frames.plane(plane)[:] = 128
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    marked = through(frame, "setfield", "tff")
    chosen = encoder.Pictures("yuv420p", 8, "libx264", interlaced=True)
    found = luma(frames.sharp(marked, Mean(), 1.0, chosen))
    assert seen == [(8, 32), (8, 32)] and (found[::2] == 10).all() and (found[1::2] == 200).all()


def test_a_size_that_changes_midway(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two recordings joined, whose clocks both begin at the beginning: no picture is lost, and each has its time."""
    parts = [write(tmp_path / f"{n}.ts", moving(*size)) for n, size in enumerate([(96, 64), (128, 96)])]
    joined = tmp_path / "in.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert video.sharpen_video(joined, tmp_path / "out.mp4", Nothing()) == 2 * COUNT
    after = decoded(tmp_path / "out.mp4")
    assert {(frame.width, frame.height) for frame in after} == {(96, 64)}
    assert after[-1].time - after[0].time == pytest.approx((2 * COUNT - 1) / 25, abs=0.01)
    assert "change to 128x96" in warnings(caplog) and len(warnings(caplog).splitlines()) == 1


@pytest.mark.parametrize(
    ("ending", "codec", "pixels"),
    [
        (".gif", "gif", "rgb8"),
        (".ts", "libx264", "yuv420p"),
        (".m2ts", "libx264", "yuv420p"),
        (".3gp", "mpeg4", "yuv420p"),
        (".wmv", "wmv2", "yuv420p"),
        (".flv", "flv", "yuv420p"),
        (".mpg", "mpeg2video", "yuv420p"),
    ],
)
def test_kinds_of_input(ending: str, codec: str, pixels: str, tmp_path: Path) -> None:
    source = write(tmp_path / f"in{ending}", moving(96, 64, pixels), codec)
    assert video.is_video(source, tmp_path / "out.mp4")
    assert video.sharpen_video(source, tmp_path / "out.mp4", Nothing()) == COUNT
    assert decoded(tmp_path / "out.mp4")[0].format.name == "yuv420p"


def test_a_gif_is_a_video_only_where_one_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert not video.is_video(Path("a.gif"), Path("a.png")) and not video.is_video(
        Path("a.png"), Path("a.mp4")
    )
    source = write(tmp_path / "in.ts")
    assert main(["sharpen", str(source), str(tmp_path / "out.ts"), "--engine", "onnx"]) == 2
    assert ".mp4" in capsys.readouterr().err


@pytest.mark.parametrize("sound", ["libopus", "aac"])
def test_webm_can_be_written(sound: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = write(tmp_path / "in.mkv", sound=sound)
    video.sharpen_video(source, tmp_path / "out.webm", Nothing())
    assert [entry[:2] for entry in about(tmp_path / "out.webm")] == [("video", "vp9"), ("audio", "opus")]
    assert ("encoded as opus" in warnings(caplog)) == (sound == "aac")


HEADER = b"""[Script Info]
ScriptType: v4.00+

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def rich(path: Path, text: str, sound: str = "aac") -> Path:
    """A clip with a German commentary, French subtitles, two chapters, tags and, in Matroska, a font."""

    def more(made: Any, stream: Any) -> list:
        made.metadata.update({"title": "My film", "artist": "Me"})
        unit = Fraction(1, 1000)
        made.set_chapters(
            [
                {
                    "id": n,
                    "start": 160 * n,
                    "end": 160 * n + 160,
                    "time_base": unit,
                    "metadata": {"title": name},
                }
                for n, name in enumerate(("One", "Two"))
            ]
        )
        made.streams.audio[0].metadata.update({"language": "deu", "title": "Kommentar"})
        written = made.add_stream(text)
        written.metadata["language"] = "fra"
        written.codec_context.time_base, written.time_base = unit, unit
        written.codec_context.subtitle_header = HEADER
        if path.suffix == ".mkv":
            made.add_attachment("a.ttf", "application/x-truetype-font", b"\0\1\0\0font")
        said = av.subtitles.subtitle.SubtitleSet.create(b"0,0,Default,,0,0,0,,Bonjour", 0, 100, 0)
        packet = written.codec_context.encode_subtitle(said)
        packet.pts = packet.dts = 40
        packet.duration, packet.time_base, packet.stream = 100, unit, written
        return [packet]

    return write(path, before=more, sound=sound)


@pytest.mark.parametrize(
    ("given", "ending", "text"),
    [
        ("subrip", ".mp4", "mov_text"),
        ("subrip", ".mkv", "subrip"),
        ("mov_text", ".mkv", "subrip"),
        ("mov_text", ".mov", "mov_text"),
    ],
)
def test_all_beside_the_picture_stays(
    given: str, ending: str, text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = rich(tmp_path / ("in.mkv" if given == "subrip" else "in.mp4"), given)
    out = tmp_path / f"out{ending}"
    video.sharpen_video(source, out, Nothing())
    kinds = about(out)
    assert [kind for kind, *_ in kinds[:3]] == ["video", "audio", "subtitle"]
    assert kinds[2][1] in (text, {"subrip": "srt"}.get(text))
    assert kinds[1][3] == "Kommentar" and kinds[2][2] == "fra"
    # QuickTime knows German as 'ger' only.
    assert kinds[1][2] == "deu" or "language of stream 1 (deu)" in warnings(caplog)
    with av.open(str(out)) as made, av.open(str(source)) as before:
        tags = {key.lower(): value for key, value in made.metadata.items()}
        assert (tags["title"], tags["artist"]) == ("My film", "Me")
        assert [chapter["metadata"]["title"] for chapter in made.chapters()] == ["One", "Two"]
        for index in (0, 1, 2):
            assert made.streams[index].disposition == before.streams[index].disposition or ending != ".mkv"
        fonts = [stream.data for stream in made.streams if stream.type == "attachment"]
        subtitles = made.streams.subtitles[0]
        said = [
            (float(packet.pts * packet.time_base), subtitle.dialogue)
            for packet in made.demux(subtitles)
            if packet.size
            for subtitle in subtitles.decode(packet)
        ]
    at = said[0][0] - decoded(out)[0].time  # sound may begin before the pictures, and Matroska at 0
    assert len(said) == 1 and at == pytest.approx(0.04, abs=0.002) and b"Bonjour" in said[0][1]
    if given == "subrip":
        assert fonts == ([b"\0\1\0\0font"] if ending == ".mkv" else [])
        assert ("a.ttf" in warnings(caplog)) == (ending != ".mkv")


def test_what_a_container_cannot_hold_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = rich(tmp_path / "in.mkv", "subrip")
    video.sharpen_video(source, tmp_path / "out.avi", Nothing())
    for lost in ("fra", "a.ttf", "chapters"):
        assert warnings(caplog).count(f"{lost}") >= 1
    assert len(warnings(caplog).splitlines()) <= 4 and len(decoded(tmp_path / "out.avi")) == COUNT


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_covers_and_second_pictures_stay(
    ending: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    coder = av.CodecContext.create("png", "w")
    coder.width, coder.height, coder.pix_fmt, coder.time_base = 32, 32, "rgb24", Fraction(1, 25)
    cover = bytes(coder.encode(moving(32, 32, "rgb24")[0])[0])

    def more(made: Any, _: Any) -> list:
        made.add_attachment("cover.png", "image/png", cover)
        return []

    source = write(tmp_path / "in.mkv", before=more)
    video.sharpen_video(source, tmp_path / f"out{ending}", Nothing())
    with av.open(str(tmp_path / f"out{ending}")) as made:
        pictures = made.streams.video
        assert [bool(s.disposition & av.stream.Disposition.attached_pic) for s in pictures] == [False, True]
        assert bytes(next(packet for packet in made.demux(pictures[1]) if packet.size)) == cover
    assert not warnings(caplog)


def test_transparency_that_goes_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clear = moving(96, 64, "yuva420p")
    for number, value in enumerate((255, 100)):
        for frame in clear:
            frames.plane(frame.planes[3])[:] = value
        source = write(tmp_path / f"{number}.mkv", clear, "ffv1")
        video.sharpen_video(source, tmp_path / f"out{number}.mp4", Nothing())
        assert ("transparency" in warnings(caplog)) == (value < 255)


def test_two_threads_and_long_names(tmp_path: Path) -> None:
    source, out = write(tmp_path / "in.mp4"), tmp_path / f"{'a' * 251}.mp4"
    workers = [
        threading.Thread(target=video.sharpen_video, args=(source, out, Nothing()), kwargs={"force": True})
        for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(decoded(out)) == COUNT and len(list(tmp_path.iterdir())) == 2
    with pytest.raises(KdsharpError, match="too long"):
        video.sharpen_video(source, tmp_path / f"{'a' * 300}.mp4", Nothing())


def test_pyavs_own_errors_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path / "in.mp4")

    def broken(*_: Any) -> None:
        raise ValueError("'mp4' format does not support 'nonsense' codec")

    monkeypatch.setattr(encoder, "add", broken)
    with pytest.raises(KdsharpError, match=r"in\.mp4.*nonsense"):
        video.sharpen_video(source, tmp_path / "out.mp4", Nothing())
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]
