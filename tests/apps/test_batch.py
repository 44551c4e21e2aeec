"""Many files, by many processes: nothing is done twice, lost, or written where it does not belong."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kdsharp import data
from kdsharp.apps import batch, manifest
from kdsharp.apps.cli import main
from kdsharp.apps.journal import Journal
from kdsharp.apps.manifest import Shard
from kdsharp.errors import KdsharpError

SHARDS = 3


class Same:
    """A student that changes nothing."""

    scale = 1

    def __call__(self, image: np.ndarray) -> np.ndarray:
        return image


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return data.read_image(data.embedded_photos("val")[0])[:64, :96]


def put(folder: Path, photo: np.ndarray, *names: str) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.roll(photo, number, 1)).save(folder / name)


def rows(out: Path, name: str = "kdsharp.jsonl") -> list[dict]:
    return [json.loads(line) for line in (out / name).read_text().splitlines()]


def outputs(out: Path) -> dict[str, bytes]:
    found = (path for path in out.rglob("*") if path.is_file() and path.suffix not in (".jsonl", ".lock"))
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}


def run(listed: Path, out: Path, part: Shard = batch.ALL, **how: object) -> list[str]:
    def no_video(source: Path, output: Path) -> int:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(source.read_bytes())
        return 7

    return batch.sharpen_manifest(listed, out, Same(), no_video, part=part, **how)


def test_a_shard_is_its_crc() -> None:
    """0xCBF43926 is the check value of CRC-32 (of "123456789"), by which other programs can share a list, too."""
    (holding,) = [number for number in range(1, 101) if Shard(number, 100).holds("123456789")]
    assert holding - 1 == 0xCBF43926 % 100


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "1/0", "-1/3", "a/b", "1/3/5"])
def test_no_shard_is_a_sentence(text: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["sharpen", str(tmp_path), str(tmp_path / "out"), f"--shard={text}"]) == 2
    assert f"'{text}' is no shard" in capsys.readouterr().err


def test_shards_are_disjoint_complete_and_even(tmp_path: Path) -> None:
    names = [f"{number % 7}/{number}.{('jpg', 'bmp', 'mp4', 'ts')[number % 4]}" for number in range(3000)]
    (tmp_path / "list.txt").write_text("\n".join(names))
    parts = [manifest.of_manifest(tmp_path / "list.txt", Shard(number, 10)) for number in range(1, 11)]
    assert sorted(name for part in parts for name in part.sources.values()) == sorted(names)
    assert all(200 < len(part.sources) < 400 and part.lines == 3000 for part in parts)
    (tmp_path / "list.txt").write_text("\n".join(["new.jpg", *reversed(names)]))  # what was where stays there
    again = manifest.of_manifest(tmp_path / "list.txt", Shard(4, 10))
    assert {**again.sources, **parts[3].sources} == again.sources and len(again.sources) <= len(
        parts[3].sources
    ) + 1


def test_a_manifest_of_everything(photo: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Relative folders stay, same names never meet, what fails is said and logged, and the rest is done."""
    home, far, out = tmp_path / "home", tmp_path / "far", tmp_path / "out"
    put(home, photo, "a.png", "b/a.png", "c.bmp", "c.bmp.png", "ü .png")
    put(far, photo, "a.png", "x/a.png")
    (home / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n no")
    (home / "clip.ts").write_bytes(b"a video")
    lines = ["a.png", "b/a.png\r", "", "b/../b/./a.png", "c.bmp", "c.bmp.png", "ü .png", "broken.png", "none.png",
             "clip.ts", "../far/a.png", str(far / "x/a.png"), str(home / "a.png")]  # fmt: skip
    (home / "list.txt").write_bytes(b"\xef\xbb\xbf" + "\n".join(lines).encode())
    problems = run(home / "list.txt", out)
    assert len(problems) == 2 and all(problem.endswith(".") for problem in problems)
    away = far.relative_to("/").as_posix()
    made = {
        "a.png",
        "b/a.png",
        "c.bmp.2.png",
        "c.bmp.png",
        "ü .png",
        "clip.ts.mkv",
        f"{away}/a.png",
        f"{away}/x/a.png",
    }
    assert set(outputs(out)) == made
    noted = {row["path"]: row for row in rows(out)}
    assert {name for name, row in noted.items() if row["status"] == "failed"} == {"broken.png", "none.png"}
    assert "none.png" in noted["none.png"]["error"] and noted["clip.ts"]["frames"] == 7
    assert noted["c.bmp"]["output"] == "c.bmp.2.png" and noted["c.bmp"]["pixels"] == [96, 64]
    assert noted["c.bmp"]["bytes"] == [(home / "c.bmp").stat().st_size, (out / "c.bmp.2.png").stat().st_size]
    assert noted["a.png"]["seconds"] >= 0 and len(noted) == len(rows(out)) == 10


@pytest.mark.parametrize(
    "given", ["../../../../../../../../../../../../etc/x.png", "/etc/x.png", "a/../../x.png", "./x.png"]
)
def test_nothing_is_written_outside(given: str, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(given)
    (place,) = manifest.of_manifest(tmp_path / "list.txt", batch.ALL).sources
    inside = os.path.normpath(tmp_path / "out" / place)
    assert inside.startswith(str(tmp_path / "out") + os.sep) and inside.endswith("x.png")


def test_two_sources_of_one_place_are_refused(photo: np.ndarray, tmp_path: Path) -> None:
    put(tmp_path, photo, "far/a.png", f"home{tmp_path}/far/a.png")
    inside = f"{tmp_path}/far/a.png".lstrip("/")
    (tmp_path / "home" / "list.txt").write_text(f"{tmp_path}/far/a.png\n{inside}\n")
    (problem,) = run(tmp_path / "home" / "list.txt", tmp_path / "out")
    assert "the same file as" in problem
    assert [row["status"] for row in rows(tmp_path / "out")] == ["failed", "done"]


def test_json_lines(photo: np.ndarray, tmp_path: Path) -> None:
    put(tmp_path, photo, "a.png", "b.png", "c.png")
    lines = ['{"path": "a.png", "label": 3}', '"b.png"', '{"path": 3}', "{broken", '{"file": "c.png"}', '"/"']
    (tmp_path / "list.jsonl").write_text("\n".join(lines))
    problems = run(tmp_path / "list.jsonl", tmp_path / "out")
    assert set(outputs(tmp_path / "out")) == {"a.png", "b.png"}
    assert len(problems) == 4 and sum("names no file" in problem for problem in problems) == 4


@pytest.mark.parametrize("kind", ["missing", "empty", "folder"])
def test_no_manifest_is_a_sentence(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    if kind == "empty":
        (tmp_path / "list.txt").write_text("\n\n")
    elif kind == "folder":
        (tmp_path / "list.txt").mkdir()
    assert main(["sharpen", "--manifest", str(tmp_path / "list.txt"), str(tmp_path / "out")]) == 2
    assert "list.txt" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_originals_are_never_written_over(photo: np.ndarray, tmp_path: Path) -> None:
    put(tmp_path, photo, "a.png")
    before = (tmp_path / "a.png").read_bytes()
    (tmp_path / "list.txt").write_text("a.png")
    for force in (False, True):
        (problem,) = run(tmp_path / "list.txt", tmp_path, force=force)
        assert "is the source itself" in problem and (tmp_path / "a.png").read_bytes() == before


def test_failed_files_are_tried_again_and_done_ones_are_not(photo: np.ndarray, tmp_path: Path) -> None:
    put(tmp_path, photo, "a.png")
    (tmp_path / "list.txt").write_text("a.png\nb.png")
    assert len(run(tmp_path / "list.txt", tmp_path / "out")) == 1
    made = (tmp_path / "out" / "a.png").stat().st_mtime_ns
    put(tmp_path, photo, "b.png")
    assert run(tmp_path / "list.txt", tmp_path / "out") == []
    assert Counter((row["path"], row["status"]) for row in rows(tmp_path / "out")) == {
        ("a.png", "done"): 1,
        ("b.png", "failed"): 1,
        ("b.png", "done"): 1,
    }
    assert (tmp_path / "out" / "a.png").stat().st_mtime_ns == made


def test_half_a_line_is_cut_off_and_what_it_told_is_told_again(photo: np.ndarray, tmp_path: Path) -> None:
    put(tmp_path, photo, "a.png", "b.png")
    (tmp_path / "list.txt").write_text("a.png\nb.png")
    assert run(tmp_path / "list.txt", tmp_path / "out", jobs=1) == []
    log = tmp_path / "out" / "kdsharp.jsonl"
    whole = log.read_bytes().splitlines(keepends=True)
    for kept in (whole[0], whole[0] + b"\0\0\0\n"):  # the second: as after a loss of power
        log.write_bytes(kept + whole[1][:20])
        assert run(tmp_path / "list.txt", tmp_path / "out") == []
        lines = log.read_bytes().splitlines(keepends=True)
        assert b"".join(lines[:-1]) == kept and json.loads(lines[-1])["seconds"] is None
        assert Journal(log).done == {"a.png", "b.png"}


def test_a_shard_of_a_folder(photo: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    names = [f"{folder}/{number}.{kind}" for folder in "ab" for number in range(4) for kind in ("png", "bmp")]
    put(tmp_path / "in", photo, *names)
    assert batch.sharpen_folder(tmp_path / "in", tmp_path / "whole", Same()) == []
    for number in range(1, 4):
        batch.sharpen_folder(tmp_path / "in", tmp_path / "out", Same(), part=Shard(number, 3))
        noted = rows(tmp_path / "out", f"kdsharp-{number}-of-3.jsonl")
        assert 0 < len(noted) < len(names)
    assert outputs(tmp_path / "out") == outputs(tmp_path / "whole") and len(outputs(tmp_path / "out")) == len(
        names
    )
    assert not (tmp_path / "whole" / "kdsharp.jsonl").exists()


def test_the_command_line(photo: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """It goes on past what fails, ends with 1, and with 0 when that is mended."""
    put(tmp_path, photo, "a.png", "b.png")
    (tmp_path / "list.txt").write_text("none.png\na.png\nb.png\n")
    command = ["sharpen", str(tmp_path / "list.txt"), str(tmp_path / "out"), "--engine", "onnx", "--manifest"]
    assert main(command) == 1 and "1 files could not" in capsys.readouterr().out
    assert set(outputs(tmp_path / "out")) == {"a.png", "b.png"}
    (tmp_path / "list.txt").write_text("a.png\nb.png\n")
    assert main(command) == 0
    assert main([*command, "--jobs", "65"]) == 2
    assert main(["sharpen", str(tmp_path / "a.png"), str(tmp_path / "c.png"), "--shard", "1/2"]) == 2
    assert "is one file" in capsys.readouterr().err


SLOWLY = """
import sys, time
from kdsharp.apps import batch
from kdsharp.apps.cli import main

write = batch.write
batch.write = lambda *how: (time.sleep(0.02), write(*how))  # so that a kill comes in between
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.heavy
def test_processes_that_share_a_list_and_one_that_is_killed(photo: np.ndarray, tmp_path: Path) -> None:
    """Pictures and videos, three processes, SIGKILL for one, each run again: as one process makes it, byte for byte."""
    home, out, whole = tmp_path / "home", tmp_path / "out", tmp_path / "whole"
    names = [f"{number % 4}/{number}.{('jpg', 'png')[number % 2]}" for number in range(90)]
    put(home, photo, *names)
    try:
        from kdsharp.apps import video

        for name in ("v/a.mp4", "v/b.mp4", "w/a.mp4"):
            video.write_video(home / name, [np.roll(photo, shift, 1) for shift in range(6)])
            names.append(name)
    except KdsharpError:  # without PyAV: pictures alone
        pass
    (home / "list.txt").write_text("\n".join(names))
    command = [
        "sharpen",
        "--manifest",
        str(home / "list.txt"),
        str(out),
        "--engine",
        "onnx",
        "--jobs",
        "1",
        "--shard",
    ]
    shards = [f"{number}/{SHARDS}" for number in range(1, SHARDS + 1)]
    running = [
        subprocess.Popen([sys.executable, "-c", SLOWLY, *command, shard], stderr=subprocess.DEVNULL)
        for shard in shards
    ]
    first, until = out / f"kdsharp-1-of-{SHARDS}.jsonl", time.monotonic() + 120
    while not (first.exists() and first.stat().st_size) and time.monotonic() < until:
        time.sleep(0.002)
    running[0].send_signal(signal.SIGKILL)
    assert [process.wait(timeout=120) for process in running] == [-signal.SIGKILL, 0, 0]
    assert 0 < len(outputs(out)) < len(names)
    for shard in shards:
        assert main([*command, shard]) == 0
    assert main(["sharpen", "--manifest", str(home / "list.txt"), str(whole), "--engine", "onnx"]) == 0
    made = outputs(out)
    unfinished = [name for name in made if "/." in name]  # of the killed one, hidden
    assert len(unfinished) <= 1
    assert {name: made[name] for name in made if name not in unfinished} == outputs(whole)
    assert set(outputs(whole)) == set(names)
    noted = [row for number in range(1, 4) for row in rows(out, f"kdsharp-{number}-of-{SHARDS}.jsonl")]
    assert Counter(row["path"] for row in noted) == Counter(names) and {row["status"] for row in noted} == {
        "done"
    }
