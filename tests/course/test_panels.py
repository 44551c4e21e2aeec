"""Every panel is driven to the ends and the middle of every slider, as a reader would, and has to answer each time."""

import base64
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import ipywidgets as widgets
import numpy as np
import pytest
import torch
from PIL import Image

from kdsharp import data, recipes, student
from kdsharp.course import panels
from kdsharp.course.panels import preference
from kdsharp.course.panels.degradation import blur_kernel, spectrum, spoil
from kdsharp.course.panels.panel import WIDGET_VIEW, Panel, log_slider, slider
from kdsharp.degradation import codecs
from kdsharp.distill import targets
from kdsharp.errors import KdsharpError


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return data.read_image(data.embedded_photos("val")[0])[:256, :256]


def what_is_seen(panel: Panel) -> bytes:
    return bytes(panel.picture.value) + panel.text.value.encode()


def drive(panel: Panel, state: Callable[[Panel], object] = what_is_seen) -> None:
    """Every control to minimum, middle and maximum (or through its options); `state` has to follow each."""
    for name, control in panel.controls.items():
        start, seen = control.value, set()
        if isinstance(control, widgets.Dropdown):
            values = [option[-1] if isinstance(option, tuple) else option for option in control.options]
        else:
            low, high = control.min, control.max
            if isinstance(control, widgets.FloatLogSlider):
                low, high = control.base**low, control.base**high
            middle = (low + high) / 2
            values = [low, int(middle) if isinstance(control, widgets.IntSlider) else middle, high]
        for value in values:
            control.value = value
            assert Image.open(BytesIO(panel.picture.value)).size[0] > 300, f"{name}={value} drew nothing"
            seen.add(state(panel))
        control.value = start
        if len(values) > 1:
            assert len(seen) > 1, f"{name} changes nothing"


@pytest.mark.heavy
def test_degradation_panel_follows_every_slider() -> None:
    panel = panels.degradation_panel(data.embedded_photos("val")[:2], side=96)
    drive(panel)
    panel.controls["codec"].value = "none"
    assert "coded size -" in panel.text.value


def test_nothing_spoilt_is_the_photograph_itself(photo: np.ndarray) -> None:
    spoilt, kernel, size = spoil(photo, "none", 1.0, 1.0, "area", 0, "none", 50)
    assert np.array_equal(spoilt, photo) and size == 0 and kernel.sum() == 1


@pytest.mark.parametrize("blur", ["gaussian", "motion", "defocus", "sinc"])
def test_stronger_blur_passes_fewer_high_frequencies(blur: str) -> None:
    shares = []
    for amount in (1.5, 3.0, 6.0):
        response = torch.fft.fft2(blur_kernel(blur, amount)[0], s=(64, 64)).abs()
        assert response[0, 0] == pytest.approx(1, abs=1e-4)  # brightness stays
        shares.append(response.mean().item())
    assert shares[0] > shares[1] > shares[2]


def test_spectrum_finds_a_wave_where_it_is() -> None:
    wave = 128 + 100 * np.sin(2 * np.pi * 8 * np.arange(64) / 64)
    picture = np.repeat(np.tile(wave, (64, 1))[..., None], 3, axis=2).astype(np.uint8)
    row, column = np.unravel_index(spectrum(picture).argmax(), (64, 64))
    assert row == 32 and abs(column - 32) == 8


@pytest.mark.parametrize("codec", codecs.available())
def test_codecs_cost_more_bytes_and_lose_less_at_higher_quality(photo: np.ndarray, codec: str) -> None:
    low, few = codecs.code(photo, codec, 10)
    high, many = codecs.code(photo, codec, 90)
    assert few < many and low.shape == high.shape == photo.shape
    errors = [np.abs(coded.astype(int) - photo).mean() for coded in (low, high)]
    assert errors[1] < errors[0] < 30


def test_unknown_codec_is_one_sentence(photo: np.ndarray) -> None:
    with pytest.raises(KdsharpError, match="There is no codec 'HEIC' here; choose one of JPEG"):
        codecs.code(photo, "HEIC", 50)


@pytest.mark.heavy
def test_teacher_panel_follows_every_slider_and_overlap_removes_seams() -> None:
    panel = panels.teacher_panel(data.embedded_photos("val")[:2], names=["teacher-x4"])
    drive(panel)

    def seam() -> int:
        return int(panel.text.value.split("whole picture ")[1].split()[0])

    panel.controls["tile"].value = 32
    panel.controls["overlap"].value = 0
    without = seam()
    panel.controls["overlap"].value = 32
    assert seam() <= 1 < without


def test_hyperparameters_write_the_recipe_that_they_show() -> None:
    start = recipes.preset("video-call", "quick")
    panel = panels.hyperparameter_panel(start)
    assert panel.recipe == start
    assert start.losses.teacher != 0.4
    panel.controls["teacher"].value = 0.4
    panel.controls["channels"].value = 24
    panel.controls["learning_rate"].value = 1e-2
    changed = panel.recipe
    assert start.student.options["channels"] != 24 == changed.student.options["channels"]
    assert changed.losses.teacher == 0.4 and changed.training.learning_rate == pytest.approx(1e-2)
    count = student.parameters(student.build(changed.student))
    assert f"{count:,} parameters" in panel.text.value and "0.4 L1(teacher)" in panel.text.value
    assert recipes.from_dict(json.loads(json.dumps(recipes.to_dict(changed)))) == changed
    assert recipes.preset("video-call", "quick") == start  # the preset itself is untouched


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["video-call", "real-esrgan"])
def test_hyperparameter_panel_follows_every_slider(name: str) -> None:
    drive(panels.hyperparameter_panel(recipes.preset(name, "quick")), state=lambda panel: repr(panel.recipe))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    """A recipe of a few hundred small steps and its store."""
    settings = ["training.steps=400", "training.batch=2", "training.patch=32", "training.validate_every=20"]
    settings += ["store.crops_per_photo=4", "losses.teacher=0", "losses.hr=1"]
    recipe = recipes.override(recipes.preset("video-call", "quick"), settings)
    folder = tmp_path_factory.mktemp("store")
    return recipe, targets.build(folder, data.embedded_photos("val"), recipe.degradation, recipe.store, None)


@pytest.mark.heavy
def test_a_recipe_past_the_sliders_stays_as_it_is() -> None:
    """Few steps, or a wide network, set by hand: no slider that was not moved may change them."""
    changes = ["training.steps=6", "training.patch=8", "student.options.channels=80", "losses.teacher=3.0"]
    changes += ["training.learning_rate=0.5"]
    recipe = recipes.override(recipes.preset("video-call", "quick"), changes)
    assert panels.hyperparameter_panel(recipe).recipe == recipe


@pytest.mark.parametrize("value", [3e-7, 1e-5, 2e-3, 0.1, 0.5])
def test_a_logarithmic_slider_keeps_what_it_is_given(value: float) -> None:
    made = log_slider("learning rate", value, -5, -1)
    assert made.value == value and made.base**made.min <= value <= made.base**made.max


@pytest.mark.heavy
def test_training_view_draws_while_it_runs_and_ends_with_a_student(run, tmp_path: Path) -> None:
    recipe, store = run
    view = panels.training_view(recipe, store, store, tmp_path)
    waiting = view.picture.value
    result = view.result()
    assert view.picture.value != waiting and "Done after 400 steps" in view.text.value
    assert result.checkpoint.exists() and view.stop_button.disabled
    drive(view)


@pytest.mark.heavy
def test_stop_button_leaves_a_student_and_a_run_to_resume(run, tmp_path: Path) -> None:
    recipe, store = run
    view = panels.training_view(recipe, store, store, tmp_path)
    view.stop_button.click()
    result = view.result()
    stopped = result.history[-1]["step"]
    assert stopped < recipe.training.steps and "stopped early" in view.text.value
    from kdsharp.deploy.sharpen import load_student

    frame = data.read_image(data.embedded_photos("val")[0])[:64, :64]
    assert load_student(result.checkpoint)(frame).shape == frame.shape
    again = panels.training_view(recipe, store, store, tmp_path).result()
    assert again.history[-1]["step"] == recipe.training.steps
    finished = panels.training_view(recipe, store, store, tmp_path)
    assert finished.result().history == again.history and "Finished earlier" in finished.text.value
    finished.controls["crop"].value, first = 2, finished.picture.value
    assert finished.picture.value != first, "a finished run shows nothing to look at"


def test_a_failing_training_is_raised_by_result_and_shown_in_the_view(run, tmp_path: Path) -> None:
    recipe, store = run
    weights = ("hr", "teacher", "structure", "contrast")
    broken = recipes.override(recipe, [f"losses.{name}=0" for name in weights])
    view = panels.training_view(broken, store, store, tmp_path)
    with pytest.raises(KdsharpError, match="All loss weights are 0"):
        view.result()
    assert "All loss weights are 0" in view.text.value


def judge(panel: Panel, scores: list[tuple[int, int]]) -> None:
    (button,) = panel.buttons
    for sharper, natural in scores:
        panel.controls["sharper"].value, panel.controls["natural"].value = sharper, natural
        button.click()


def test_preference_asks_every_pair_once_and_hides_the_names(photo: np.ndarray, tmp_path: Path) -> None:
    crops = {"student": [photo, photo], "unsharp": [255 - photo, photo // 2], "input": [photo // 3, photo]}
    panel = panels.preference_panel(crops, tmp_path / "answers.jsonl", seed=1)
    assert not any(name in panel.text.value for name in crops)
    first = panel.picture.value
    judge(panel, [(1, 0)] * 6)
    assert panel.picture.value != first and "All pairs are judged" in panel.text.value
    lines = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert len({(row["scene"], frozenset((row["left"], row["right"]))) for row in lines}) == 6
    judge(panel, [(1, 0)])  # after the last pair the button does nothing
    assert len((tmp_path / "answers.jsonl").read_text().splitlines()) == 6


def test_order_and_sides_are_random() -> None:
    draws = [preference.draw_trials(["a", "b"], 20, seed) for seed in range(20)]
    assert len({tuple(draw) for draw in draws}) == 20
    share = np.mean([left == "a" for draw in draws for _, left, _ in draw])
    assert 0.4 < share < 0.6


def test_opinion_score_and_interval_agree_with_a_textbook_case(tmp_path: Path) -> None:
    """Ten answers with mean 1 and standard deviation 1.0541: half width 2.262 * 1.0541 / sqrt(10) = 0.754."""
    path = tmp_path / "answers.jsonl"
    for number, value in enumerate([0, 2, 0, 2, 0, 2, 0, 2, 0, 2]):
        sides = {"left": "input", "right": "student"} if number % 2 else {"left": "student", "right": "input"}
        signed = value if sides["right"] == "student" else -value
        with open(path, "a") as handle:
            handle.write(json.dumps({"scene": 0, **sides, "sharper": signed, "natural": 0}) + "\n")
    with open(path, "a") as handle:
        handle.write('{"scene": 0, "left": "inp')  # the machine died here
    rows = {(row["method"], row["question"]): row for row in panels.opinions(path)}
    ours = rows["student", "sharper"]
    assert ours["answers"] == 10 and ours["mean"] == pytest.approx(1)
    assert (ours["high"] - ours["low"]) / 2 == pytest.approx(0.754, abs=0.001)
    assert rows["input", "sharper"]["mean"] == pytest.approx(-1)


def test_no_answers_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(KdsharpError, match="judge at least one pair"):
        panels.opinions(tmp_path / "none.jsonl")


def test_without_a_front_end_a_panel_is_its_picture(photo: np.ndarray) -> None:
    panel = Panel("grey", {"value": slider("value", 1, 0, 9)}, lambda value: (photo // (1 + value), ""))
    bundle = panel._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]) == panel.picture.value
    assert bundle[WIDGET_VIEW]["model_id"] == panel.box.model_id


def test_an_exception_in_a_callback_is_not_swallowed() -> None:
    def show(value: int):
        if value > 5:
            raise ZeroDivisionError("planted")
        if value > 3:
            raise KdsharpError("Choose a smaller value.")
        return np.zeros((8, 8, 3), np.uint8), f"value {value}"

    panel = Panel("planted", {"value": slider("value", 1, 0, 9)}, show)
    panel.controls["value"].value = 4
    assert "Choose a smaller value." in panel.text.value
    with pytest.raises(ZeroDivisionError):
        panel.controls["value"].value = 7
    panel.controls["value"].value = 2
    assert panel.text.value == "value 2"
