"""What the README promises: it is short, its links lead somewhere, its lines of Python run, the face is all in it."""

import inspect
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import kdsharp

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import presets_page  # noqa: E402

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*/README.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)[^)]*\)")


def python_of(page: Path) -> str:
    return "\n".join(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))


def test_the_readme_is_read_in_a_minute() -> None:
    assert 6_000 <= len((ROOT / "README.md").read_bytes()) <= 8_192


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    missing = [
        link
        for link in LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / link).resolve().exists()
    ]
    assert not missing


def test_the_page_of_presets_is_what_the_registry_holds() -> None:
    assert presets_page.PAGE.read_text(encoding="utf-8") == presets_page.text(), "run `make docs`"


def test_every_folder_of_the_house_is_in_the_tree() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    folders = [path.parent.name for path in (ROOT / "kdsharp").glob("*/__init__.py")]
    assert all(f" {name}/ " in text for name in folders), folders


def test_the_face_is_in_the_readme() -> None:
    code = python_of(ROOT / "README.md")
    assert {name for name in kdsharp.__all__ if not re.search(rf"\bkdsharp\.{name}\b", code)} == set()


def test_the_lines_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but training, whose arguments at least have to fit (notebook 05 and tests/distill train)."""
    pytest.importorskip("av")
    from kdsharp.apps import video

    monkeypatch.chdir(tmp_path)
    photo = kdsharp.read_image(kdsharp.embedded_photos("val")[0])[:128, :192]
    kdsharp.write_image(tmp_path / "photo.jpg", photo)
    video.write_video(tmp_path / "poor.mp4", (np.roll(photo, shift, 1) for shift in range(3)), rate=25)
    called = []
    fits = inspect.signature(kdsharp.train).bind
    monkeypatch.setitem(kdsharp.__dict__, "train", lambda *some, **named: called.append(fits(*some, **named)))
    code, scope = python_of(ROOT / "README.md"), {"frame": photo}
    exec(compile(code, "README.md", "exec"), scope)
    assert called and scope["sharper"].shape == photo.shape and scope["recipe"].name in code
    assert (tmp_path / "better.mp4").stat().st_size > 0
