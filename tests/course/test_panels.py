"""Every panel is driven to the ends and the middle of every slider, as a reader would, and has to answer each time."""

import base64
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from driving import drive

import kdsharp
from kdsharp import data, recipes
from kdsharp.course import panels
from kdsharp.course.panels.copied import copied_line
from kdsharp.course.panels.panel import LIVE_SECONDS, WIDGET_VIEW, Panel, log_slider, slider
from kdsharp.distill import targets
from kdsharp.errors import KdsharpError


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return data.read_image(data.embedded_photos("val")[0])[:256, :256]


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
    made = eval(panel.code, {"kdsharp": kdsharp})
    assert (made.name, made.tile, made.overlap) == ("teacher-x4", 32, 32)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    """A recipe of a few hundred small steps and its store."""
    settings = ["training.steps=400", "training.batch=2", "training.patch=32", "training.validate_every=20"]
    settings += ["store.crops_per_photo=4", "losses.teacher=0", "losses.hr=1"]
    recipe = recipes.override(recipes.preset("video-call", "quick"), settings)
    folder = tmp_path_factory.mktemp("store")
    return recipe, targets.build(folder, data.embedded_photos("val"), recipe.degradation, recipe.store, None)


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


def counting() -> tuple[Panel, list[dict]]:
    """A panel with two sliders and a pin, and what it was drawn for."""
    drawn = []

    def show(**values) -> tuple[np.ndarray, str]:
        drawn.append(values)
        return np.zeros((8, 8, 3), np.uint8), ""

    return Panel("counting", {name: slider(name, 1, 0, 9) for name in "ab"}, show, pins=True), drawn


def test_reset_puts_every_control_back_and_draws_once() -> None:
    panel, drawn = counting()
    panel.choose(a=4, b=7)
    assert panel.values == {"a": 4, "b": 7} and len(drawn) == 2
    panel.reset_button.click()
    assert panel.values == {"a": 1, "b": 1} and len(drawn) == 3


def test_a_pin_keeps_the_settings_of_its_moment() -> None:
    panel, drawn = counting()
    panel.choose(a=4)
    panel.pin_button.value = True
    panel.controls["b"].value = 7
    assert drawn[-1] == {"a": 4, "b": 7, "pinned": {"a": 4, "b": 1}}
    panel.pin_button.value = False
    assert drawn[-1]["pinned"] is None


def test_a_slider_reports_on_the_way_where_its_drawing_is_fast() -> None:
    def show(fast: int, slow: int) -> tuple[np.ndarray, str]:
        time.sleep(2 * LIVE_SECONDS * (slow == 5))
        return np.zeros((8, 8, 3), np.uint8), ""

    panel = Panel("live", {"fast": slider("fast", 1, 0, 9), "slow": slider("slow", 1, 0, 9)}, show)
    panel.controls["slow"].value = 5
    assert panel.controls["fast"].continuous_update and not panel.controls["slow"].continuous_update
    panel.controls["slow"].value = 2  # fast again
    assert panel.controls["slow"].continuous_update


def test_code_comes_out_of_its_field_as_it_went_in() -> None:
    code = """degrade(x < 1, "a", 'b & c')"""
    found = []

    class Fields(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list) -> None:
            found.extend(value for name, value in attributes if (tag, name) == ("input", "value"))

    Fields().feed(copied_line(code))
    assert found == [code]


def test_every_control_says_what_it_is_for(photo: np.ndarray) -> None:
    photos = data.embedded_photos("val")
    for panel in (
        panels.degradation_panel(photos, side=96),
        panels.teacher_panel(photos, names=["teacher-x4"]),
    ):
        for control in (*panel.controls.values(), *panel.buttons, panel.reset_button):
            assert len(control.tooltip or "") > 8 and control.tooltip.endswith("."), control
