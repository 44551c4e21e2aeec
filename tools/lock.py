"""Write constraints.txt: the exact versions that pip chose on each Python, from `pip freeze` files.

    tools/lock.py 3.11=freeze311.txt 3.12=freeze312.txt 3.13=freeze313.txt

A version that is the same wherever the package is installed stands without a marker. The file only
constrains: packages of one platform (nvidia-*, triton) do no harm on another.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEAD = """\
# Exact versions that the tests passed with. Both make commands install with `-c constraints.txt`.
# Made by tools/lock.py from environments of Python {pythons}; it constrains and installs nothing itself.
"""
NOT_OURS = {"pip", "kdsharp"}


def read(path: Path) -> dict[str, str]:
    """Name to version of one `pip freeze` file; editable and local installs are left out."""
    pairs = (line.strip().split("==") for line in path.read_text(encoding="utf-8").splitlines())
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2 and pair[0].lower() not in NOT_OURS}


def merge(freezes: dict[str, dict[str, str]]) -> list[str]:
    """The lines of the constraints file, by Python version and package name."""
    lines = []
    for name in sorted({name for freeze in freezes.values() for name in freeze}, key=str.lower):
        versions = {python: freeze[name] for python, freeze in freezes.items() if name in freeze}
        if len(set(versions.values())) == 1:
            lines.append(f"{name}=={next(iter(versions.values()))}")
        else:
            lines += [
                f"{name}=={version} ; python_version == '{python}'" for python, version in versions.items()
            ]
    return lines


if __name__ == "__main__":
    freezes = {
        python: read(Path(path)) for python, path in (argument.split("=", 1) for argument in sys.argv[1:])
    }
    if not freezes:
        sys.exit(__doc__)
    text = HEAD.format(pythons=", ".join(freezes)) + "\n".join(merge(freezes)) + "\n"
    (ROOT / "constraints.txt").write_text(text, encoding="utf-8")
