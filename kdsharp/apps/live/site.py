"""The page whose network runs in the visitor's own browser: what it consists of, and its files for a static host.

An exported student is executed there, on the graphics card (WebGPU) or the processor (WebAssembly): see `runtime`.
"""

import shutil
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from urllib.parse import quote

import cv2

from kdsharp import data
from kdsharp.apps.live import runtime
from kdsharp.apps.live.runtime import PAGES, RUNTIME
from kdsharp.deploy import shaders, sharpen
from kdsharp.deploy.engines.onnx import OnnxNetwork
from kdsharp.disk import checkpoints, files
from kdsharp.errors import KdsharpError

WORKER = (  # what computes, in a thread of its own
    "worker.js",
    "processor.js",
    "streams.js",
    "restraint.js",
    "enlarge.js",
    "card.js",
    "webgpu.js",
    "webgpu-frames.js",
)
# A network's files, one for each kind of engine.
KINDS = {"file": ".onnx", "int8": ".int8.onnx", "wgsl": ".wgsl"}
ASSETS = ("style.css", "common.js", "student.js", "live.js", "offline.js", *WORKER)


def named(students: Iterable[str | Path]) -> dict[str, str]:
    """Students by the names that pages show: a published student's own, or a file's without its ending."""
    return {Path(student).name.removesuffix(".safetensors"): str(student) for student in students}


def html(page: str, assets: str = "") -> str:
    """A page with the head that all share; `assets` is the way from it to their style."""
    head, body = ((PAGES / name).read_text(encoding="utf-8") for name in ("head.html", page))
    return head.replace("ASSETS", assets) + body


def description(networks: list[dict], upload: bool) -> dict:
    """What the page asks for first: the runtime's folder or None, the networks, whether there is a page for uploads."""
    return {"runtime": RUNTIME if runtime.runtime_dir() else None, "networks": networks, "upload": upload}


def networks_of(students: dict[str, str]) -> list[dict]:
    """The networks that the page offers: by what they go, and how to be used: see `export.to_onnx`.

    The page computes on luma: students of colours are left out; one that no shader is written for has no "wgsl". Each
    file is opened, which takes a while: once is enough. Raises KdsharpError for an unknown student.
    """
    networks = []
    for name, student in students.items():
        exported = OnnxNetwork(sharpen.exported_file(checkpoints.find(student)), threads=1)
        if exported.colour == "luma":
            paths = {kind: f"networks/{quote(name)}{ending}" for kind, ending in KINDS.items()}
            if not _has_shader(student):
                del paths["wgsl"]
            facts = {
                "scale": exported.scale,
                "multiple": exported.multiple,
                "restraint": exported.restraint,
                "reach": exported.reach,
            }
            networks.append({"name": name, **paths, **facts})
    return networks


def kinds_of(network: dict) -> list[str]:
    """Which of `KINDS` a network of `networks_of` has."""
    return [kind for kind in KINDS if kind in network]


def _has_shader(student: str) -> bool:
    try:
        shaders.plain.read(checkpoints.find(student))
    except KdsharpError:
        return False
    return True


def network_file(student: str, kind: str = "file") -> bytes:
    """What a student's file of one of `KINDS` holds: ONNX in 32 bits or in 8, exported if need be, or WGSL."""
    source = checkpoints.find(student)
    if kind == "wgsl":
        return shaders.text(source, ".wgsl").encode()
    return sharpen.exported_file(source, int8=kind == "int8").read_bytes()


def write_static(folder: Path, students: dict[str, str]) -> Path:
    """The page as files for any host of static pages (cameras need https there); returns the folder.

    Raises KdsharpError if the runtime is missing, or the folder holds something already.
    """
    folder, found = Path(folder), runtime.runtime_dir()
    if found is None:
        raise KdsharpError("The runtime is not here yet: run `kdsharp web --runtime` first.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise KdsharpError(f"{folder} is there already, and not empty: choose another folder.")
    described = description(networks_of(students), upload=False)
    with files.writing(folder):
        shutil.copytree(found, folder / RUNTIME)
        (folder / "networks").mkdir()
        for network in described["networks"]:
            name = network["name"]
            for kind in kinds_of(network):
                place = folder / "networks" / f"{name}{KINDS[kind]}"
                place.write_bytes(network_file(students[name], kind))
        for name in ASSETS:
            shutil.copyfile(PAGES / name, folder / name)
        (folder / "index.html").write_text(html("live.html"), encoding="utf-8")
        (folder / "example.png").write_bytes(example())
    files.write_json(folder / "site.json", described)
    return folder


@cache
def example() -> bytes:
    """A PNG: a frame of a poor call, made of scikit-image's astronaut (public domain)."""
    image = data.read_image(data.embedded_photos("val")[0])
    small = cv2.resize(image, (256, 256), interpolation=cv2.INTER_AREA)
    coded = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 70])[1]
    received = cv2.resize(cv2.imdecode(coded, cv2.IMREAD_COLOR), (512, 512), interpolation=cv2.INTER_LINEAR)
    return cv2.imencode(".png", received)[1].tobytes()
