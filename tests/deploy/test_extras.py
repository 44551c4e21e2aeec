"""Extras mean what they say: what the package imports is brought by the core or by the extra that errors name."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

import kdsharp
from kdsharp import errors
from kdsharp.errors import KdsharpError

ROOT = Path(kdsharp.__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Packages that are imported by another name than the one they are installed by, or that another one brings.
BROUGHT_BY = {
    "cv2": "opencv-python",
    "PIL": "pillow",
    "pycvvdp": "cvvdp",
    "skimage": "scikit-image",
    "IPython": "ipykernel",
    "werkzeug": "flask",
}
# Colab has the first two, Kaggle the second; the third has an environment of its own (`make mobile`); the others have
# sentences of their own, because they need an older Python too.
ELSEWHERE = {"google", "accelerate", "litert_torch", "basicsr", "realesrgan"}


def brought(extra: str = "") -> set[str]:
    """What the core, or one of its extras with all that it includes, installs, by the names of distributions."""
    wanted = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    found = set()
    for requirement in wanted:
        name, others = re.fullmatch(r"([\w-]+)(?:\[([\w,]+)\])?.*", requirement).groups()
        found |= set().union(*map(brought, others.split(","))) if others else {name}
    return found


def imported() -> set[str]:
    """Packages of others that any module of ours imports, anywhere in its code."""
    names = set()
    for path in (ROOT / "kdsharp").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names.add(node.module)
            elif isinstance(node, ast.Import):
                names |= {item.name for item in node.names}
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"kdsharp"}


def test_every_import_is_brought_by_the_core_or_the_extra_that_is_named() -> None:
    for name in imported() - ELSEWHERE:
        distribution = BROUGHT_BY.get(name, name)
        if distribution not in brought():
            assert name in errors.EXTRAS, f"{name} is in no extra that errors.py knows"
            assert distribution in brought(errors.EXTRAS[name]), name


def test_the_core_has_no_pytorch_and_the_course_has_all() -> None:
    heavy = {"torch", "torchvision", "scikit-image", "spandrel", "onnx", "matplotlib"}
    assert not heavy & brought() and heavy <= brought("course")
    for extra in ("train", "notebooks", "openvino", "video", "web"):
        assert brought(extra) <= brought("course") & brought("colab")
    assert "jupyter" not in brought("colab"), "Colab has a Jupyter of its own"


def test_a_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    sentence = r"^A rival needs the extra: pip install 'kdsharp\[train\]'\.$"
    with pytest.raises(KdsharpError, match=sentence), errors.naming_the_extra("A rival needs"):
        import spandrel.architectures.ESRGAN  # noqa: F401
    with pytest.raises(ModuleNotFoundError), errors.naming_the_extra("This needs"):
        import a_package_of_nobody  # noqa: F401
