"""What makes learning visible: curves of several students, the film and its panel, the gauge, the score card."""

from pathlib import Path

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from kdsharp import data
from kdsharp.course import figures, panels
from kdsharp.errors import KdsharpError

SIDE = 48
STEPS = (0, 20, 40, 60)
NAMES = ("alone", "fidelity", "perceptual")


@pytest.fixture(autouse=True)
def no_figures_left():
    yield
    plt.close("all")


def plain(value: int) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), value, np.uint8)


@pytest.fixture
def runs(tmp_path: Path) -> dict[str, Path]:
    """Three runs: at step n a student's picture is all grey n + its number; two crops; two runs have a teacher."""
    noise = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)
    for number, name in enumerate(NAMES):
        for step in STEPS:
            rows = [[noise[0], plain(step + number), plain(200)], [noise[1], plain(step + 100), plain(210)]]
            picture = np.concatenate([np.concatenate(row, axis=1) for row in rows])
            data.write_image(make(tmp_path / name) / f"validation-{step:06d}.png", picture)
        if number:
            data.write_image(tmp_path / name / "teacher.png", np.concatenate([plain(220 + number), plain(9)]))
    return {name: tmp_path / name for name in NAMES}


def make(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def values(figure: Figure) -> list[list[int | None]]:
    """The grey in the middle of each picture of a film, by row; the input, which is noise, is None."""
    found = []
    for axis in figure.axes:
        picture = axis.images[0].get_array()
        found.append(int(picture[0, 0, 0]) if np.ptp(picture) == 0 else None)
    columns = figure.axes[0].get_gridspec().ncols
    return [found[start : start + columns] for start in range(0, len(found), columns)]


def test_a_film_has_a_row_for_each_student_and_a_column_for_each_step(runs: dict[str, Path]) -> None:
    assert values(figures.film(runs)) == [
        [None, 0, 20, 40, 60, 200],
        [None, 1, 21, 41, 61, 221],
        [None, 2, 22, 42, 62, 222],
    ]
    assert values(figures.film(runs, crop=1, columns=2))[1] == [None, 100, 160, 9]
    titles = [axis.get_title() for axis in figures.film(runs).axes]
    assert titles[:6] == ["input", "step 0", "step 20", "step 40", "step 60", "the original"]
    assert titles[11] == "its teacher"


def test_pictures_of_another_place_are_left_out_of_the_film(runs: dict[str, Path]) -> None:
    """As those of a run that an earlier version began."""
    other = np.concatenate([plain(1), plain(2), plain(77)], axis=1)
    data.write_image(runs["alone"] / "validation-000010.png", other)
    assert "step 10" not in [axis.get_title() for axis in figures.film(runs).axes]
    for step in STEPS:
        data.write_image(runs["fidelity"] / f"validation-{step:06d}.png", other)
    with pytest.raises(KdsharpError, match="another place"):
        figures.film(runs)
    with pytest.raises(KdsharpError, match="no validation picture"):
        figures.film({"alone": runs["alone"] / "nowhere"})


def test_a_student_that_has_come_less_far_shows_its_last_picture(runs: dict[str, Path]) -> None:
    (runs["alone"] / "validation-000060.png").unlink()
    assert values(figures.film(runs))[0] == [None, 0, 20, 40, 40, 200]


def test_the_film_panel_opens_at_the_end_and_moves_with_slider_and_player(runs: dict[str, Path]) -> None:
    panel = panels.film_panel(runs)
    assert "Step 60 of 60" in panel.text.value
    last = panel.picture.value
    panel.controls["picture"].value = 1
    assert "Step 20 of 60" in panel.text.value and panel.picture.value != last
    (play,) = (button for button in panel.buttons if isinstance(button, widgets.Play))
    play.value = play.min
    assert "Step 0 of 60" in panel.text.value
    for _ in STEPS[1:]:
        play.value += 1
    assert play.value == play.max and panel.picture.value == last
    panel.controls["crop"].value = 2
    assert panel.picture.value != last


def test_learning_shows_gains_over_nothing_in_the_colours_of_the_characters() -> None:
    histories = {
        name: [{"step": step, "val_psnr": 28 + number + step / 100} for step in STEPS[1:]]
        for number, name in enumerate(NAMES)
    }
    figure = figures.learning(histories, 28.5, {"fidelity": 30.5})
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert list(lines) == ["doing nothing", *NAMES, "fidelity: its teacher"]
    assert list(lines["alone"].get_ydata()) == pytest.approx([-0.3, -0.1, 0.1])
    assert set(lines["doing nothing"].get_ydata()) == {0} and set(
        lines["fidelity: its teacher"].get_ydata()
    ) == {2}
    assert lines["fidelity: its teacher"].get_color() == lines["fidelity"].get_color()
    for name in NAMES:
        assert lines[name].get_color() == figures.CHARACTERS[name]
    assert set(lines) <= {text.get_text() for text in figure.axes[0].texts}
    with pytest.raises(KdsharpError, match="history"):
        figures.learning({"alone": []}, 28.5)


def test_curves_draw_doing_nothing_where_it_is_given() -> None:
    rows = [{"step": step, "loss": 0.1, "hr": 0.1, "val_psnr": 30.0 + step} for step in (1, 2)]
    with_line, without = figures.curves(rows, nothing=29.5).axes[1], figures.curves(rows).axes[1]
    assert set(with_line.lines[1].get_ydata()) == {29.5} and with_line.get_ylim()[0] < 29.5
    assert len(without.lines) == 1


def test_a_name_has_the_colour_of_the_character_that_it_begins_with() -> None:
    names = ["student-fidelity", "alone, to the fidelity teacher", "doing nothing", "unsharp", "call-s"]
    colours = figures.colours_of(names)
    assert colours["student-fidelity"] == figures.CHARACTERS["fidelity"]
    assert colours["alone, to the fidelity teacher"] == figures.CHARACTERS["alone"]
    assert to_hex(colours["doing nothing"]) == "#000000"
    assert len(set(colours.values())) == 5


def test_the_gauge_has_a_bar_as_long_as_its_share_and_room_for_negative_ones() -> None:
    (axis,) = figures.gauge({"alone": -0.2, "fidelity": 0.6}).axes
    bars = [patch.get_width() for patch in axis.patches if patch.get_width() != 1]
    assert bars == [-0.2, 0.6]
    assert {"-20%", "60%"} <= {text.get_text() for text in axis.texts}
    assert axis.get_xlim()[0] < -0.2 and axis.get_xlim()[1] >= 1
    with pytest.raises(KdsharpError, match="nothing to show"):
        figures.gauge({})


def row(severity: str, measure: str, nothing: float, fidelity: float, other: float, *winner: str) -> dict:
    values = {"doing nothing": nothing, "fidelity": fidelity, "other": other}
    return {"severity": severity, "measure": measure} | values | {"winner": list(winner)}


CARD = [
    row("mild", "PSNR-Y", 30.0, 29.5, 29.0, "doing nothing"),
    row("mild", "SSIM-Y", 0.8, 0.81, 0.81, "fidelity", "other"),
    row("severe", "PSNR-Y", 25.0, 25.004, 26.0, "other"),
]


def test_the_score_card_marks_winners_and_says_ties_and_rows_without_one() -> None:
    (axis,) = figures.score_card(CARD).axes
    cells = axis.tables[0].get_celld()
    shown = [[cells[line, column].get_text().get_text() for column in range(5)] for line in range(4)]
    assert shown == [
        ["", "", "doing nothing", "fidelity", "other"],
        ["mild", "PSNR-Y", "30.00", "-0.50", "-1.00"],
        ["", "SSIM-Y", "0.8000", "+0.0100", "+0.0100"],
        ["severe", "PSNR-Y", "25.00", "+0.00", "+1.00"],
    ]
    bold = {place for place, cell in cells.items() if min(place) > 0 and place[1] > 1
            and cell.get_text().get_fontweight() == "bold"}  # fmt: skip
    assert bold == {(1, 2), (2, 3), (2, 4), (3, 4)}
    assert {to_hex(cells[place].get_facecolor()) for place in bold}.isdisjoint({"#ffffff"})
    assert cells[1, 2].get_facecolor() != cells[3, 4].get_facecolor(), "nobody's row looks like any other"
    told = " ".join(text.get_text() for text in axis.texts)
    assert "alike as printed" in told and "1 of 3 rows" in told
    assert not [t for t in figures.score_card(CARD[2:]).axes[0].texts if t.get_text()]
    with pytest.raises(KdsharpError, match="no rows"):
        figures.score_card([])


def test_no_figure_is_taller_than_a_screen(runs: dict[str, Path]) -> None:
    every = [figures.film(runs), figures.score_card(CARD * 4), figures.gauge(dict.fromkeys(NAMES, 0.5))]
    assert all(figure.get_figheight() <= 7.2 for figure in every)
