"""onnxruntime-web, which runs an exported student in a browser: where it lies, and how it comes there.

It comes from its npm package, pinned by version and digest, through `fetch_runtime`; a built wheel has it inside.
"""

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from kdsharp.disk import files
from kdsharp.errors import KdsharpError

PAGES = Path(__file__).resolve().parents[1] / "pages"
RUNTIME = "onnxruntime-web-1.30.0"
_SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
# The build for the processor: on a graphics card the network is run by `webgpu.js`.
FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
_NPM_SECONDS = 300


def runtime_dir() -> Path | None:
    """Where onnxruntime-web lies beside the pages; None if it is not there (whole)."""
    folder = PAGES / RUNTIME
    return folder if all((folder / name).is_file() for name in FILES) else None


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
        for name in FILES:
            with files.atomic_write(folder / name) as handle:
                shutil.copyfileobj(opened.extractfile(f"package/dist/{name}"), handle)
    shutil.copyfile(PAGES / "onnxruntime-license.txt", folder / "LICENSE")
