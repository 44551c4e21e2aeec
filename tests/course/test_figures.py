"""Figures show what they are given, in type that can be read at a notebook's width, and nothing covers anything."""

import dataclasses
import itertools
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from nbformat.v4 import new_code_cell, new_notebook

from kdsharp import recipes
from kdsharp.course import figures, runner
from kdsharp.degradation import degrade
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Losses

LONG = "a name so long that it has to be broken into lines, or else it would run into its neighbour"
HISTORY = [
    {"step": step, "loss": 1 / step, "hr": 0.6 / step, "teacher": 0.3 / step, "perceptual": 0.1 / step}
    | {"val_psnr": 30 + step / 100}
    for step in (50, 100, 150, 200)
]
# All weights that a recipe has for its loss: training reports a term for each.
TERMS = [
    item.name for item in dataclasses.fields(Losses) if item.type is float and item.name != "temperature"
]
POINTS = {
    "nothing": (0.01, 31.86),
    "unsharp mask": (3.1, 32.44),
    "call, ONNX Runtime": (28.0, 32.60),
    "call, PyTorch": (30.0, 32.60),
    "call, PyTorch, one thread": (31.0, 32.61),
    "teacher-x4": (2500.0, 32.1),
    "a teacher with a name at the very edge": (9000.0, 31.2),
}
BUDGETS = {"30 FPS": 33.3, "60 FPS": 16.7}
ANSWERS = {
    "the input": {"hr": 0.1, "structure": 0.2, "loss": 0.3},
    "the original": {"hr": 0.0, "structure": 0.4, "loss": 0.4},
}


@pytest.fixture(autouse=True)
def no_figures_left():
    yield
    plt.close("all")


def pictures(count: int, height: int = 40, width: int = 60) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {f"picture {n}": random.integers(0, 256, (height, width, 3), np.uint8) for n in range(count)}


def texts(figure: Figure) -> list[Text]:
    figure.draw_without_rendering()
    found = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    # Ticks beyond the axes' limits exist, but are not drawn.
    drawn = {id(label) for axis in figure.axes for label in shown_tick_labels(axis)}
    ticks = {id(label) for axis in figure.axes for label in all_tick_labels(axis)}
    return [text for text in found if id(text) not in ticks or id(text) in drawn]


def all_tick_labels(axis) -> list[Text]:
    groups = [(dim.get_major_ticks(), dim.get_minor_ticks()) for dim in (axis.xaxis, axis.yaxis)]
    return [
        label for both in groups for group in both for tick in group for label in (tick.label1, tick.label2)
    ]


def shown_tick_labels(axis) -> list[Text]:
    shown = []
    for dim, limits in ((axis.xaxis, axis.get_xlim()), (axis.yaxis, axis.get_ylim())):
        for tick in [*dim.get_major_ticks(), *dim.get_minor_ticks()]:
            if min(limits) <= tick.get_loc() <= max(limits):
                shown.append(tick.label1)
    return shown


def lettering(figure: Figure) -> str:
    return " ".join(text.get_text().replace("\n", " ") for text in texts(figure))


EVERY = {
    "one": lambda: figures.side_by_side(pictures(1), (5, 5, 20), title=LONG),
    "five": lambda: figures.side_by_side(
        {LONG: pictures(1)["picture 0"]} | pictures(4), (5, 5, 20), title=LONG
    ),
    "eight": lambda: figures.side_by_side(pictures(8), captions={"picture 7": LONG}, title=LONG),
    "close": lambda: figures.close_up(
        pictures(5), (5, 5, 20), {"picture 1": "30.1 dB, SSIM 0.9012"}, whole=LONG
    ),
    "stages": lambda: figures.stages(
        degrade(torch.rand(1, 3, 64, 64), recipes.VideoCall(), torch.Generator().manual_seed(0)), title="call"
    ),
    "kernels": lambda: figures.kernels_grid(torch.rand(8, 9, 9), [f"generalised {n}" for n in range(8)]),
    "curves": lambda: figures.curves(HISTORY, LONG),
    "curves of one row": lambda: figures.curves(HISTORY[:1]),
    "curves of equal terms": lambda: figures.curves([row | dict.fromkeys(TERMS, 0.01) for row in HISTORY]),
    "curves above nothing": lambda: figures.curves(HISTORY, nothing=29.0),
    "learning": lambda: figures.learning(
        {"alone": HISTORY, "student-fidelity": HISTORY}, 30.2, {"student-fidelity": 31.0}, LONG
    ),
    "gauge": lambda: figures.gauge({"alone": -0.1, "fidelity": 0.01, LONG: 1.0}),
    "score card": lambda: figures.score_card(
        [
            {"severity": severity, "measure": "SSIM-Y", "doing nothing": 0.9, LONG: 0.9, "alone": 0.8}
            | {f"student {number}": 0.7 for number in range(4)}
            | {"winner": ["doing nothing", LONG]}
            for severity in ("mild", "medium", "severe")
        ]
    ),
    "grid": lambda: figures.grid(
        {f"place {n}": pictures(5, 40, 40) for n in range(3)}, {"place 1": {"picture 2": "30.1 dB"}}, LONG
    ),
    "terms": lambda: figures.terms({name: ANSWERS for name in ("fidelity", "perceptual")}, LONG),
    "bars": lambda: figures.bars({"a": 8.0, LONG: 2000.0, "c": 31.0}, "ms", BUDGETS, True, LONG),
    "lines": lambda: figures.lines(
        {LONG[:40]: {1.5: 30.0, 2: 29.0}, "b": {1.5: 30.0, 2: 29.1}}, "shrink", "dB", LONG
    ),
    "lines of formulas": lambda: figures.lines(
        {name: {n / 50: n * factor for n in range(51)} for factor, name in enumerate("abc", 1)}, "x", "loss"
    ),
    "tradeoff": lambda: figures.tradeoff(POINTS, "ms", "dB", LONG, BUDGETS),
    "tradeoff of one point": lambda: figures.tradeoff({"call": (30.0, 32.0)}, "ms", "dB"),
}


@pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)
def test_all_lettering_is_inside_and_large_enough(make) -> None:
    figure = make()
    assert figure.get_figwidth() <= 12
    shown = min(1.0, 900 / 96 / figure.get_figwidth())
    page = figure.bbox
    for text in texts(figure):
        assert text.get_fontsize() * shown >= 9, text.get_text()
        extent = text.get_window_extent()
        assert extent.x0 >= -0.5 and extent.x1 <= page.x1 + 0.5, text.get_text()
        assert extent.y0 >= -0.5 and extent.y1 <= page.y1 + 0.5, text.get_text()


@pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)
def test_no_two_texts_cover_each_other(make) -> None:
    for one, two in itertools.combinations(texts(make()), 2):
        first, second = one.get_window_extent(), two.get_window_extent()
        wide = min(first.x1, second.x1) - max(first.x0, second.x0)
        high = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert wide < 1 or high < 1, (one.get_text(), two.get_text())


@pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)
def test_the_readers_own_settings_stay_and_do_not_matter(make) -> None:
    before = dict(matplotlib.rcParams)
    sizes = [text.get_fontsize() for text in texts(make())]
    assert dict(matplotlib.rcParams) == before
    with matplotlib.rc_context({"font.size": 3, "axes.titlesize": 3, "xtick.labelsize": 3}):
        figure = make()
    assert [text.get_fontsize() for text in texts(figure)] == sizes


@pytest.mark.parametrize(
    ("count", "columns", "zoomed"),
    [(1, 1, 1), (2, 2, 2), (4, 4, 4), (5, 5, 5), (6, 3, 6), (7, 4, 4), (8, 4, 4), (9, 5, 5), (10, 5, 5)],
)
def test_pictures_wrap_to_full_rows(count: int, columns: int, zoomed: int) -> None:
    for zoom, expected in ((None, columns), ((8, 6, 16), zoomed)):
        figure = figures.side_by_side(pictures(count), zoom)
        figure.draw_without_rendering()
        whole = [axis for axis in figure.axes if axis.get_title()]
        assert len({round(axis.get_position().x0, 2) for axis in whole}) == expected


@pytest.mark.parametrize("zoom", [None, (8, 6, 16)])
def test_pictures_are_not_taller_than_a_screen(zoom) -> None:
    for count in range(1, 11):
        figure = figures.side_by_side(pictures(count, 90, 90), zoom, {"picture 0": "dB"}, "A title")
        assert figure.get_figheight() <= 6.2 and figure.get_figwidth() >= min(4.75, 2 * count), count


def test_pictures_have_their_names_captions_and_title() -> None:
    count, shown = 4, pictures(4)
    figure = figures.side_by_side(shown, (8, 6, 16), {"picture 0": "31.00 dB"}, "all of them")
    figure.draw_without_rendering()
    assert len(figure.axes) == 2 * count
    drawn = {axis.get_title().split("\n")[0]: axis for axis in figure.axes if axis.get_title()}
    assert list(drawn) == list(shown)
    assert drawn["picture 0"].get_title() == "picture 0\n31.00 dB"
    assert "all of them" in lettering(figure)


def test_each_enlargement_stands_below_its_own_picture() -> None:
    shown = pictures(6)
    shown["picture 1"] = shown["picture 1"][::2, ::2]  # smaller: the same place, half as many pixels
    figure = figures.side_by_side(shown, (8, 6, 16))
    figure.draw_without_rendering()
    for name, image in shown.items():
        whole = next(axis for axis in figure.axes if axis.get_title() == name)
        (mark,) = (patch for patch in whole.patches if isinstance(patch, Rectangle))
        top, left, side = (4, 3, 8) if name == "picture 1" else (8, 6, 16)
        assert to_hex(mark.get_edgecolor()).upper() in figures.COLOURS
        assert (mark.get_y() + 0.5, mark.get_x() + 0.5, mark.get_width()) == (top, left, side)
        assert np.array_equal(whole.images[0].get_array(), image)
        cut = image[top : top + side, left : left + side]
        (below,) = (axis for axis in figure.axes if np.array_equal(axis.images[0].get_array(), cut))
        assert below.get_position().y1 < whole.get_position().y0
        assert abs(np.mean(below.get_position().intervalx) - np.mean(whole.get_position().intervalx)) < 0.02


def test_close_up_marks_the_original_and_enlarges_every_picture() -> None:
    shown = pictures(3)
    figure = figures.close_up(shown, (8, 6, 16), {"picture 1": "30 dB"}, whole="coffee")
    assert [axis.get_title() for axis in figure.axes] == [
        "coffee",
        "picture 0",
        "picture 1\n30 dB",
        "picture 2",
    ]
    assert np.array_equal(figure.axes[0].images[0].get_array(), shown["picture 2"])
    for axis, image in zip(figure.axes[1:], shown.values(), strict=True):
        assert np.array_equal(axis.images[0].get_array(), image[8:24, 6:22])
    assert not figure.axes[1].patches and len(figure.axes[0].patches) == 1


def test_pictures_of_several_shapes_have_their_names_on_one_line() -> None:
    shown = {"wide": np.zeros((30, 90, 3), np.uint8), "tall": np.zeros((90, 60, 3), np.uint8)}
    figure = figures.side_by_side(shown)
    figure.draw_without_rendering()
    first, second = (axis.title.get_window_extent().y0 for axis in figure.axes)
    assert first == pytest.approx(second, abs=1)


def test_lines_stay_apart_without_colour() -> None:
    values = {name: {1.5: number, 2.0: number + 1} for number, name in enumerate(("30", "50", "70", "90"))}
    (axis,) = figures.lines(values, "shrink", "dB").axes
    assert [dict(zip(*line.get_data(), strict=True)) for line in axis.lines] == list(values.values())
    assert len({line.get_marker() for line in axis.lines}) == 4
    curves = {name: {n / 20: 1.0 for n in range(21)} for name in "abc"}
    assert len({line.get_linestyle() for line in figures.lines(curves, "x", "y").axes[0].lines}) == 3


def test_equal_weights_are_a_bright_kernel() -> None:
    (shown,) = (axis.images[0] for axis in figures.kernels_grid(torch.full((1, 5, 5), 1 / 25)).axes[:1])
    assert np.allclose(shown.norm(shown.get_array()), 1)


def test_each_term_of_the_loss_has_its_own_colour_and_line() -> None:
    left, right = figures.curves(HISTORY).axes
    assert [line.get_label() for line in left.lines] == ["loss", "hr", "teacher", "perceptual"]
    colours = {to_hex(line.get_color()).upper() for line in left.lines}
    assert len(colours) == 4 and colours <= set(figures.COLOURS)
    assert all(name in lettering(left.figure) for name in ("loss", "hr", "teacher", "perceptual"))
    assert list(right.lines[0].get_ydata()) == [row["val_psnr"] for row in HISTORY]
    assert list(left.lines[2].get_ydata()) == [row["teacher"] for row in HISTORY]


def test_curves_draw_every_term_of_the_loss() -> None:
    rows = [
        {"step": step, "val_psnr": 30.0, "loss": 1.0 / step} | {name: 0.1 / step for name in TERMS}
        for step in (100, 200)
    ]
    left = figures.curves(rows).axes[0]
    assert left.lines[0].get_label() == "loss"
    assert {line.get_label() for line in left.lines[1:]} == set(TERMS) and len(TERMS) == 11
    assert len({(line.get_color(), line.get_linestyle()) for line in left.lines}) == 12
    assert left.get_yscale() == "log" and left.get_ylim()[0] > 0
    places = {text.get_text(): text.get_position()[1] for text in left.texts if text.get_text()}
    assert places.keys() == {"loss", *TERMS} and all(0 <= place <= 1 for place in places.values())
    assert max(places, key=places.get) == "loss"


def test_terms_that_were_registered_elsewhere_are_drawn_and_told_apart() -> None:
    row = {"step": 1, "lr": 1e-3, "val_psnr": 30.0, "loss": 1.0, "hr": 0.5, "mine": 0.3, "yours": 0.2}
    left = figures.curves([row, row | {"step": 2}]).axes[0]
    assert [line.get_label() for line in left.lines] == ["loss", "hr", "mine", "yours"]
    assert len({(line.get_color(), line.get_linestyle()) for line in left.lines}) == 4
    assert all(name in lettering(left.figure) for name in ("mine", "yours"))


def test_curves_with_a_term_of_nothing_have_a_linear_axis() -> None:
    rows = [{"step": 1, "val_psnr": 30.0, "loss": 1.0, "hr": 1.0, "teacher": 0.0}]
    left = figures.curves(rows).axes[0]
    assert left.get_yscale() == "linear" and left.get_ylim()[0] == 0


def test_curves_of_one_row_show_its_points() -> None:
    for axis in figures.curves(HISTORY[:1]).axes:
        for line in axis.lines:
            assert line.get_marker() == "o" and len(line.get_xdata()) == 1
    with pytest.raises(KdsharpError, match="history"):
        figures.curves([])


def test_tradeoff_has_every_point_and_budget_where_it_belongs() -> None:
    figure = figures.tradeoff(POINTS, "ms per frame", "PSNR-Y in dB", "cost", BUDGETS)
    (axis,) = figure.axes
    assert axis.get_xscale() == "log"
    drawn = [tuple(dots.get_offsets()[0]) for dots in axis.collections]
    assert drawn == list(POINTS.values())
    assert [line.get_xdata()[0] for line in axis.lines] == list(BUDGETS.values())
    for name in [*POINTS, *BUDGETS, "ms per frame", "PSNR-Y in dB", "cost"]:
        assert name in lettering(figure)
    for x, _ in POINTS.values():
        assert axis.get_xlim()[0] < x < axis.get_xlim()[1]


@pytest.mark.parametrize("dpi", [60, 100, 220])
def test_tradeoff_names_keep_clear_of_each_other_of_points_and_of_the_edge(dpi: int) -> None:
    random = np.random.default_rng(1)
    crowd = {
        f"student {n} of many": (float(20 + random.normal()), 32 + random.normal() / 50) for n in range(12)
    }
    for points in (POINTS, crowd):
        figure = figures.tradeoff(points, "ms", "dB", budgets=BUDGETS)
        figure.set_dpi(dpi)
        figure.draw_without_rendering()
        (axis,) = figure.axes
        room, labels = axis.get_window_extent(), {t.get_text(): t for t in axis.texts if t.get_text()}
        assert set(labels) == {*points, *BUDGETS}
        extents = {name: Text.get_window_extent(label) for name, label in labels.items()}
        for one, two in itertools.combinations(extents, 2):
            assert not extents[one].overlaps(extents[two]), (one, two)
        for name, extent in extents.items():
            assert room.x0 <= extent.x0 and extent.x1 <= room.x1, name
            assert room.y0 <= extent.y0 and extent.y1 <= room.y1, name
            for point in points.values():
                assert not extent.contains(*axis.transData.transform(point)), (name, point)


def test_a_name_far_from_its_point_is_tied_to_it() -> None:
    crowd = {f"student {n} of many": (20 + n / 100, 32.0) for n in range(6)} | {"teacher": (2000, 33)}
    (axis,) = figures.tradeoff(crowd, "ms", "dB").axes
    threads = [text for text in axis.texts if not text.get_text()]
    assert threads and all(thread.xy in crowd.values() for thread in threads)
    assert not [
        t
        for t in figures.tradeoff({"a": (1, 30), "b": (9, 31)}, "ms", "dB").axes[0].texts
        if not t.get_text()
    ]


def test_a_name_does_not_stand_beside_another_point() -> None:
    pair = {"first": (28.0, 32.0), "second": (30.0, 32.0), "far": (2000.0, 31.0)}
    (axis,) = figures.tradeoff(pair, "ms", "dB").axes
    place = {name: axis.transData.transform(point) for name, point in pair.items()}
    label = next(text for text in axis.texts if text.get_text() == "first")
    box = Text.get_window_extent(label)
    near = {n: np.hypot(*(np.clip(p, box.min, box.max) - p)) for n, p in place.items()}
    assert near["first"] < near["second"]


def test_what_cannot_be_shown_is_said() -> None:
    with pytest.raises(KdsharpError, match="nothing to show"):
        figures.side_by_side({})
    with pytest.raises(KdsharpError, match="nothing to show"):
        figures.close_up({}, (0, 0, 1))
    with pytest.raises(KdsharpError, match="nothing to show"):
        figures.tradeoff({}, "ms", "dB")
    with pytest.raises(KdsharpError, match=r"'free' is 0\.0"):
        figures.tradeoff({"free": (0.0, 30.0)}, "ms", "dB")


def test_colours_are_those_of_okabe_and_ito() -> None:
    published = {"#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"}
    assert set(figures.COLOURS) <= published
    (axis,) = figures.bars({"a": 1.0, "b": 2.0}, "ms", BUDGETS).axes
    used = {to_hex(bar.get_facecolor()).upper() for bar in axis.patches}
    used |= {to_hex(line.get_color()).upper() for line in axis.lines}
    assert len(used) == 2 and used <= published  # both budgets have one colour, here as everywhere
    _, axis = plt.subplots()
    figures.budget_lines(axis)
    assert {to_hex(line.get_color()).upper() for line in axis.lines} < used
    assert len({line.get_linestyle() for line in axis.lines}) == 2  # in print, the strokes tell them apart


def test_a_grid_has_a_row_for_each_place_and_a_column_for_each_method() -> None:
    shown = {place: pictures(3, 40, 40) for place in ("face", "lettering")}
    figure = figures.grid(shown, {"lettering": {"picture 1": "30.1 dB"}})
    axes = np.array(figure.axes).reshape(2, 3)
    for line, row in zip(axes, shown.values(), strict=True):
        assert all(
            np.array_equal(axis.images[0].get_array(), row[f"picture {n}"]) for n, axis in enumerate(line)
        )
    assert [line[0].get_ylabel() for line in axes] == ["face", "lettering"]
    assert axes[0, 1].get_title() == "picture 1\n" and axes[1, 1].get_title() == "30.1 dB"
    with pytest.raises(KdsharpError, match="'lettering' lacks a picture"):
        figures.grid({"face": pictures(2), "lettering": pictures(1)})


def test_the_terms_of_a_loss_add_up() -> None:
    (axis,) = figures.terms({"fidelity": ANSWERS}).axes
    ends = {round(bar.get_x() + bar.get_width(), 6) for bar in axis.patches}
    assert {row["loss"] for row in ANSWERS.values()} <= ends
    assert len({bar.get_hatch() for bar in axis.patches}) == 2  # told apart in print
    with pytest.raises(KdsharpError, match="at least one answer"):
        figures.terms({})


def test_what_is_enlarged_below_fits_a_screen() -> None:
    shown = pictures(3, 512, 512)
    for figure in (
        figures.side_by_side(shown, (8, 6, 96), title="all of them"),
        figures.grid({"a": shown, "b": shown}),
    ):
        assert figure.get_figheight() * 100 <= 620  # pixels in a notebook


@pytest.mark.heavy
def test_every_figure_of_a_notebook_shows_by_itself(tmp_path: Path) -> None:
    """The inline backend switches interactive mode on when the first figure loads it; it has to stay on."""
    draw = "figures.side_by_side({'a': np.eye(8, dtype=np.uint8)[..., None].repeat(3, 2) * 255});"
    cells = ["import numpy as np\nfrom kdsharp.course import figures", draw, draw, draw]
    path = tmp_path / "00_three.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(cell) for cell in cells]), path)
    executed, failure = runner.execute(path, "quick")
    assert failure is None and not list(runner.inspect(executed))
    assert len(list(runner.pictures_of(runner.outputs_of(executed)))) == 3
