"""The extension as files (Manifest V3), unpacked and as a zip: scripts, networks, runtime, icons and licences.

Nothing is built and nothing is loaded from elsewhere: the scripts are those that lie here and among the live page's.
"""

import json
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

from kdsharp.apps.extension import icon
from kdsharp.apps.live import named, runtime, site
from kdsharp.apps.live.runtime import PAGES, RUNTIME
from kdsharp.disk import files
from kdsharp.errors import KdsharpError

STUDENTS = ("call-s", "call-xs")  # from the better to the faster
_SCRIPTS = Path(__file__).resolve().parent / "scripts"
_PACKAGE = Path(__file__).resolve().parents[2]
_VERSION = "0.1.0"  # of the extension: browsers tell by it which is newer
# Pages get the hidden frame and the scripts that draw, and none of these (nor the worker's).
_INSIDE = ("background.js", "content.js", "frame.js")


def write_extension(folder: Path, students: Sequence[str | Path] = STUDENTS) -> tuple[Path, Path]:
    """Write the unpacked extension to `folder`, and a zip of it beside; returns both paths.

    `students` are for calls (luma, same size), from the best down: the first that keeps up is taken.
    Raises KdsharpError if the runtime is missing, a student does not fit, or either place is taken.
    """
    folder, found = Path(folder), runtime.runtime_dir()
    packed = folder.with_name(f"{folder.name}.zip")
    if found is None:
        raise KdsharpError("The runtime is not here yet: run `kdsharp web --runtime` first.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise KdsharpError(f"{folder} is there already, and not empty: choose another folder.")
    if packed.exists():
        raise KdsharpError(f"{packed} is there already: choose another folder, or move it away.")
    sources = named(students)
    networks = _networks(sources)
    with files.writing(folder):
        shutil.copytree(found, folder / RUNTIME, dirs_exist_ok=True)
        shutil.copytree(_SCRIPTS, folder, dirs_exist_ok=True)
        for name in (*site.WORKER, "student.js"):
            shutil.copyfile(PAGES / name, folder / name)
        for place in ("networks", "icons"):
            (folder / place).mkdir()
        for network in networks:
            for kind in site.kinds_of(network):
                (folder / network[kind]).write_bytes(site.network_file(sources[network["name"]], kind))
        for size in icon.SIZES:
            (folder / "icons" / f"{size}.png").write_bytes(icon.png(size))
        shutil.copyfile(_licence(), folder / "LICENSE")
        described = json.dumps({"runtime": RUNTIME, "networks": networks}, indent=2)
        (folder / "site.js").write_text(f"export default {described};\n", encoding="utf-8")
    files.write_json(folder / "manifest.json", _manifest(folder))
    _pack(folder, packed)
    return folder, packed


def _networks(students: dict[str, str]) -> list[dict]:
    """What the scripts need to know of each network; see `site.networks_of`."""
    networks = {network["name"]: network for network in site.networks_of(students)}
    for name in students:
        if name not in networks or networks[name]["scale"] != 1:
            raise KdsharpError(f"{name} does not sharpen luma at the same size: take students for calls.")
    return [
        network | {kind: f"networks/{number}{site.KINDS[kind]}" for kind in site.kinds_of(network)}
        for number, network in enumerate(networks.values())
    ]


def _manifest(folder: Path) -> dict:
    """Manifest V3. A page is reached by a click only (`activeTab`); no host is named, and nothing may be sent out."""
    icons = {str(size): f"icons/{size}.png" for size in icon.SIZES}
    scripts = sorted(path.name for path in folder.glob("*.js") if path.name not in (*_INSIDE, *site.WORKER))
    return {
        "manifest_version": 3,
        "name": "kdsharp: sharper video",
        "description": "Sharpens the video of a page (a call, a stream) where it plays. Nothing leaves this computer.",
        "version": _VERSION,
        "minimum_chrome_version": "116",
        "permissions": ["activeTab", "scripting"],
        "action": {"default_title": "Sharpen this page's video", "default_icon": icons},
        "icons": icons,
        "background": {"service_worker": "background.js", "type": "module"},
        "content_security_policy": {
            "extension_pages": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'"
        },
        "cross_origin_embedder_policy": {"value": "require-corp"},
        "cross_origin_opener_policy": {"value": "same-origin"},
        "web_accessible_resources": [{"resources": ["frame.html", *scripts], "matches": ["<all_urls>"]}],
    }


def _licence() -> Path:
    """Of the scripts and networks: beside the package in a checkout, inside it when installed from a wheel."""
    beside = _PACKAGE.parent / "LICENSE"
    return beside if beside.is_file() else _PACKAGE / "LICENSE"


def _pack(folder: Path, packed: Path) -> None:
    with (
        files.atomic_write(packed) as handle,
        zipfile.ZipFile(handle, "w", zipfile.ZIP_DEFLATED) as made,
    ):
        for path in sorted(filter(Path.is_file, folder.rglob("*"))):
            made.write(path, path.relative_to(folder))
