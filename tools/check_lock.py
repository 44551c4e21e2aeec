"""Would the locked versions install on every Python and platform that the README promises?

For each, uv resolves what `make course` and `make test` install under constraints.txt, for that platform and from
wheels alone but for `SOURCES`, without installing anything: a version that has no wheel there, or wants another Python,
is named. It needs the package registry, no other machine.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.11", "3.12", "3.13")
PLATFORMS = {
    "Linux, x86-64": "x86_64-manylinux_2_28",
    "Linux, ARM": "aarch64-manylinux_2_35",
    "macOS 14, Apple silicon": "aarch64-apple-darwin",
    "Windows, x86-64": "x86_64-pc-windows-msvc",
}
EXTRAS = (
    "course",
    "test",
    "restormer",
    "browser",
    "camera",
)  # course brings train, notebooks, openvino, video, web, perception
# Plain Python that is released as source only (cvvdp asks for it): pip makes a wheel of it anywhere, in a second.
SOURCES = ("ffmpeg",)


def resolve(python: str, platform: str) -> tuple[bool, str]:
    """Whether the install would work there, and uv's word for it: how many packages, or what is missing."""
    with tempfile.TemporaryDirectory() as target:
        command = [sys.executable, "-m", "uv", "pip", "install", "--dry-run", "--target", target]
        command += ["--python", sys.executable, "--python-version", python, "--python-platform", platform]
        command += ["--only-binary", ":all:", "-c", str(ROOT / "constraints.txt")]
        command += [f"--no-binary={name}" for name in SOURCES]
        command += ["-r", str(ROOT / "pyproject.toml"), *(f"--extra={extra}" for extra in EXTRAS)]
        # PyTorch's wheels ask for macOS 14, and uv would look for those of macOS 13.
        environment = os.environ | {"MACOSX_DEPLOYMENT_TARGET": "14.0"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    said = done.stderr.strip().splitlines()
    if done.returncode:
        return False, " ".join(line.strip() for line in said)
    return True, next((line for line in said if line.startswith("Resolved")), said[-1] if said else "")


def main() -> int:
    """Print one line for each Python and platform; 1 if any cannot be installed."""
    bad = 0
    for name, platform in PLATFORMS.items():
        for python in PYTHONS:
            works, said = resolve(python, platform)
            bad += not works
            print(f"Python {python}  {name:24} {'ok' if works else 'FAILS'}  {said}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
