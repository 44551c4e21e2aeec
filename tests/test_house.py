"""The house: arrows between its wings go one way, its face is whole, and using a student needs no PyTorch."""

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

import kdsharp

PACKAGE = Path(kdsharp.__file__).parent
# Each wing may import those before it. Only the front door (the face, `python -m kdsharp`) looks at the last ones.
WINGS = ("errors", "recipes", "disk", "data", "degradation", "student", "teacher", "deploy", "evaluate", "distill",
         "speed", "course", "apps")  # fmt: skip
# The one command that is about the course: `kdsharp course`.
MAY_IMPORT_THE_COURSE = "kdsharp.apps.cli.course"
LONGEST = 60  # lines of a function


def arrows(package: Path) -> dict[str, set[str]]:
    """What each module of a package imports of it, wherever in its code: {module: modules}, by dotted names."""
    paths = {module_name(path, package): path for path in package.rglob("*.py")}
    found: dict[str, set[str]] = defaultdict(set)
    for module, path in paths.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path} imports by dots: say the whole name"
                names = [f"{node.module}.{item.name}" for item in node.names]
            elif isinstance(node, ast.Import):
                names = [item.name for item in node.names]
            else:
                continue
            for name in names:
                target = name if name in paths else name.rpartition(".")[0]
                if target in paths and target != module:
                    found[module].add(target)
    return found


def module_name(path: Path, package: Path) -> str:
    parts = [package.name, *path.relative_to(package).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def backward(imports: dict[str, set[str]]) -> Iterator[str]:
    """Arrows that go to a later wing, or to none that is known, one sentence each."""
    for module, targets in imports.items():
        wing = wing_of(module)
        for target in targets if wing not in ("", "__main__") else ():
            other = wing_of(target)
            known = other in WINGS and wing in WINGS
            later = known and WINGS.index(other) > WINGS.index(wing)
            course = wing != other == "course" and not module.startswith(MAY_IMPORT_THE_COURSE)
            if not known or later or course:
                yield f"{module} imports {target}"


def wing_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_arrows_go_one_way() -> None:
    assert not list(backward(arrows(PACKAGE)))


def test_there_is_no_circle() -> None:
    tuple(TopologicalSorter(arrows(PACKAGE)).static_order())


@pytest.fixture
def small_house(tmp_path: Path) -> Path:
    for name, content in {
        "__init__": "",
        "data/__init__": "from kdsharp.data.photos import read\n",
        "data/photos": "def read(): ...\n",
        "speed/__init__": "",
        "speed/stopwatch": "from kdsharp.data import read\n",
    }.items():
        path = tmp_path / "kdsharp" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path / "kdsharp"


@pytest.mark.parametrize(
    "planted",
    [
        "from kdsharp.speed import stopwatch\n",
        "from kdsharp.speed.stopwatch import measure\n",
        "import kdsharp.speed.stopwatch\n",
        "def later():\n    from kdsharp.speed import stopwatch\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from kdsharp.speed import stopwatch\n",
        "from kdsharp.garden import tree\n",
    ],
)
def test_a_planted_backward_import_is_found(small_house: Path, planted: str) -> None:
    assert not list(backward(arrows(small_house)))
    (small_house / "data" / "photos.py").write_text(planted)
    if "garden" in planted:
        (small_house / "garden").mkdir()
        (small_house / "garden" / "__init__.py").write_text("")
        (small_house / "garden" / "tree.py").write_text("")
    assert any("data.photos imports" in sentence for sentence in backward(arrows(small_house)))


def test_a_planted_circle_is_found(small_house: Path) -> None:
    (small_house / "data" / "photos.py").write_text("from kdsharp.data import reading\n")
    (small_house / "data" / "reading.py").write_text("from kdsharp.data.photos import read\n")
    with pytest.raises(CycleError):
        tuple(TopologicalSorter(arrows(small_house)).static_order())


def test_the_face_is_whole_and_typed() -> None:
    """Every name can be had, is in `dir`, and what type checkers see is what comes."""
    source = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    branch = next(node for node in source.body if isinstance(node, ast.If))
    typed = {item.asname: (node.module, item.name) for node in branch.body for item in node.names}
    assert sorted(typed) == kdsharp.__all__ and set(kdsharp.__all__) <= set(dir(kdsharp))
    for name, (module, found) in typed.items():
        assert getattr(kdsharp, name) is getattr(import_module(module), found)
        assert getattr(kdsharp, name).__doc__, f"{name} tells nothing"
    with pytest.raises(AttributeError, match="sharpness"):
        kdsharp.sharpness  # noqa: B018


def test_import_alone_loads_nothing_heavy() -> None:
    program = "import kdsharp, sys; print(sorted({'numpy', 'torch', 'cv2', 'PIL'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_student_is_used_without_pytorch(tmp_path: Path) -> None:
    """As after `pip install kdsharp`: what that does not bring cannot be imported."""
    program = f"""
import sys
for name in ("torch", "torchvision", "skimage", "spandrel", "matplotlib", "onnx", "scipy", "ipywidgets", "nbclient"):
    sys.modules[name] = None
import numpy, kdsharp, kdsharp.deploy
frame = numpy.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=numpy.uint8)
assert kdsharp.load_student("call-s", engine="onnx")(frame).shape == frame.shape
kdsharp.write_image({str(tmp_path / "in.png")!r}, frame)
from kdsharp.apps.cli import main
sys.exit(main(["sharpen", {str(tmp_path / "in.png")!r}, {str(tmp_path / "out.png")!r}]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.png").stat().st_size > 1000


def test_no_function_is_long() -> None:
    root = PACKAGE.parent
    long = [
        f"{path.relative_to(root)}:{node.lineno} {node.name}: {node.end_lineno - node.lineno + 1}"
        for folder in ("kdsharp", "benchmarks", "tools")
        for path in (root / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= LONGEST
    ]
    assert not long, "\n".join(long)
