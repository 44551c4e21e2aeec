"""The page whose network runs in the visitor's own browser: what it consists of, and the runtime that it needs.

onnxruntime-web executes an exported student there, on the graphics card (WebGPU) or the processor (WebAssembly). It
comes from its npm package, pinned by version and digest, through `fetch_runtime`; a built wheel has it inside.
"""

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2

from kdsharp import data
from kdsharp.deploy import sharpen
from kdsharp.deploy.engines.onnx import OnnxNetwork
from kdsharp.disk import checkpoints, files
from kdsharp.errors import KdsharpError

PAGES = Path(__file__).resolve().parent / "pages"
RUNTIME = "onnxruntime-web-1.30.0"
_SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
# Two builds: one for WebGPU, and one that is smaller, and twice as fast on the processor.
_RUNTIME_FILES = (
    "ort.webgpu.min.mjs",
    "ort-wasm-simd-threaded.asyncify.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
)
_NPM_SECONDS = 300
_ASSETS = ("style.css", "common.js", "live.js", "worker.js", "offline.js")
_KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
}
# Isolated pages get memory that threads share; the policy lets nothing in from elsewhere, and nothing out.
_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cache-Control": "no-cache",
}


def runtime_dir() -> Path | None:
    """Where onnxruntime-web lies beside the pages; None if it is not there (whole)."""
    folder = PAGES / RUNTIME
    return folder if all((folder / name).is_file() for name in _RUNTIME_FILES) else None


def fetch_runtime() -> Path:
    """Put onnxruntime-web beside the pages, once; returns its folder.

    Raises KdsharpError if npm is missing or cannot fetch the package, or the package is not the one that is pinned.
    """
    folder = PAGES / RUNTIME
    if runtime_dir():
        return folder
    npm = shutil.which("npm")
    if npm is None:
        raise KdsharpError("There is no npm, which fetches the runtime: install Node.js, and try again.")
    name, _, version = RUNTIME.rpartition("-")
    with tempfile.TemporaryDirectory() as scratch:
        command = [npm, "pack", "--silent", "--pack-destination", scratch, f"{name}@{version}"]
        try:
            done = subprocess.run(
                command, cwd=scratch, capture_output=True, text=True, timeout=_NPM_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise KdsharpError(
                f"npm gave no answer for {_NPM_SECONDS} s: check the connection, and try again."
            ) from error
        package = Path(scratch) / f"{RUNTIME}.tgz"
        if done.returncode or not package.is_file():
            reason = (done.stderr.strip().splitlines() or ["it did not say why"])[-1]
            raise KdsharpError(
                f"npm could not fetch {RUNTIME} ({reason}): check the connection, and try again."
            )
        unpack_runtime(package, folder)
    return folder


def unpack_runtime(package: Path, folder: Path) -> None:
    """The files that browsers load, out of the npm package. Raises KdsharpError for any other package."""
    with open(package, "rb") as handle:
        found = base64.b64encode(hashlib.file_digest(handle, "sha512").digest()).decode()
    if found != _SHA512:
        raise KdsharpError(
            f"{package.name} is not the package that is pinned (sha512 {found}): it was thrown away."
        )
    with tarfile.open(package) as opened:
        for name in _RUNTIME_FILES:
            with files.atomic_write(folder / name) as handle:
                shutil.copyfileobj(opened.extractfile(f"package/dist/{name}"), handle)
    shutil.copyfile(PAGES / "onnxruntime-license.txt", folder / "LICENSE")


def named(students: Iterable[str | Path]) -> dict[str, str]:
    """Students by the names that pages show: a published student's own, or a file's without its ending."""
    return {Path(student).stem: str(student) for student in students}


def site(students: dict[str, str], upload: bool = True) -> dict:
    """What the page asks for first: the runtime's folder or None, the networks, whether there is a page for uploads.

    Raises KdsharpError for an unknown student.
    """
    return _described(networks_of(students), upload)


def _described(networks: list[dict], upload: bool) -> dict:
    return {"runtime": RUNTIME if runtime_dir() else None, "networks": networks, "upload": upload}


def networks_of(students: dict[str, str]) -> list[dict]:
    """The networks that the page offers: name, addresses, scale, and of what its input's sides are multiples.

    The page computes on luma: students of colours are left out. Each file is opened, which takes a while: once is
    enough. Raises KdsharpError for an unknown student.
    """
    networks = []
    for name, student in students.items():
        exported = OnnxNetwork(network_file(student), threads=1)
        if exported.colour == "luma":
            address = f"networks/{quote(name)}"
            paths = {"file": f"{address}.onnx", "int8": f"{address}.int8.onnx"}
            facts = {"scale": exported.scale, "multiple": exported.multiple}
            networks.append({"name": name, **paths, **facts})
    return networks


def network_file(student: str, int8: bool = False) -> Path:
    """A student's ONNX file in 32 bits or in 8, exported if need be."""
    return sharpen.exported_file(checkpoints.find(student), int8)


def write_static(folder: Path, students: dict[str, str]) -> Path:
    """The page as files for any host of static pages (cameras need https there); returns the folder.

    Raises KdsharpError if the runtime is missing, or the folder holds something already.
    """
    folder, runtime = Path(folder), runtime_dir()
    if runtime is None:
        raise KdsharpError("The runtime is not here yet: run `kdsharp web --runtime` first.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise KdsharpError(f"{folder} is there already, and not empty: choose another folder.")
    described = site(students, upload=False)
    with files.writing(folder):
        shutil.copytree(runtime, folder / RUNTIME)
        (folder / "networks").mkdir()
        for network in described["networks"]:
            name, student = network["name"], students[network["name"]]
            shutil.copyfile(network_file(student), folder / "networks" / f"{name}.onnx")
            shutil.copyfile(network_file(student, int8=True), folder / "networks" / f"{name}.int8.onnx")
        for name in _ASSETS:
            shutil.copyfile(PAGES / name, folder / name)
        shutil.copyfile(PAGES / "live.html", folder / "index.html")
        (folder / "example.png").write_bytes(example())
    files.write_json(folder / "site.json", described)
    return folder


def pages(flask: Any, students: dict[str, str]) -> Any:
    """The same as a Flask blueprint, for the server of `web`. Raises KdsharpError for an unknown student.

    Networks are opened here and kept as they are: what is unknown is said now, and no visitor waits for an export.
    """
    networks, file_of = networks_of(students), cache(network_file)
    blueprint = flask.Blueprint("live", __name__, url_prefix="/live")

    def send(folder: Path, name: str) -> Any:
        kind = _KINDS.get(Path(name).suffix, "application/octet-stream")
        return flask.send_from_directory(folder, name, mimetype=kind)

    @blueprint.get("/")
    def page() -> Any:
        return send(PAGES, "live.html")

    @blueprint.get("/site.json")
    def described() -> Any:
        return _described(networks, upload=True)

    @blueprint.get("/example.png")
    def picture() -> Any:
        return flask.Response(example(), mimetype="image/png")

    @blueprint.get("/networks/<name>.onnx")
    def network(name: str) -> Any:
        short = name.removesuffix(".int8")
        if short not in students:
            flask.abort(404)
        path = file_of(students[short], int8=short != name)
        return send(path.parent, path.name)

    @blueprint.get(f"/{RUNTIME}/<name>")
    def runtime(name: str) -> Any:
        return send(PAGES / RUNTIME, name)

    @blueprint.get("/<name>")
    def asset(name: str) -> Any:
        if name not in (*_ASSETS, "upload.js"):
            flask.abort(404)
        return send(PAGES, name)

    @blueprint.after_request
    def isolated(response: Any) -> Any:
        response.headers.update(_HEADERS)
        return response

    return blueprint


@cache
def example() -> bytes:
    """A PNG: a frame of a poor call, made of scikit-image's astronaut (public domain)."""
    image = data.read_image(data.embedded_photos("val")[0])
    small = cv2.resize(image, (256, 256), interpolation=cv2.INTER_AREA)
    coded = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 70])[1]
    received = cv2.resize(cv2.imdecode(coded, cv2.IMREAD_COLOR), (512, 512), interpolation=cv2.INTER_LINEAR)
    return cv2.imencode(".png", received)[1].tobytes()
