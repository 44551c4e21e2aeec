"""What people thought of several methods, beside what rulers say of the same pictures."""

import html

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from kdsharp import evaluate
from kdsharp.course.figures.style import colours_of
from kdsharp.course.panels.votes import QUESTIONS

_MARKS = {"sharper": "o", "natural": "s"}
Rulers = dict[str, dict[str, float]]


def rulers(crops: dict[str, list[np.ndarray]], originals: list[np.ndarray] | None) -> Rulers:
    """PSNR-Y in dB, and JOD where the extra `perception` is installed: means over the scenes, by ruler and method.

    Empty without originals.
    """
    if originals is None:
        return {}
    known = {"PSNR-Y": evaluate.psnr} | ({"JOD": evaluate.jod} if evaluate.perception_at_hand() else {})
    return {
        name: {
            method: float(np.mean([measure(*pair) for pair in zip(scenes, originals, strict=True)]))
            for method, scenes in crops.items()
        }
        for name, measure in known.items()
    }


def opinion_figure(rows: list[dict], measured: Rulers) -> Figure:
    """Rows of `opinions`: means with their intervals, and one more axis for each ruler; the best in opinion on top."""
    methods = _by_opinion(rows)
    figure, axes = plt.subplots(
        1,
        1 + len(measured),
        figsize=(9.6, 1.1 + 0.62 * len(methods)),
        width_ratios=[2] + [1] * len(measured),
        sharey=True,
        layout="constrained",
        squeeze=False,
    )
    opinion, *others = axes[0]
    places, colours = {method: -place for place, method in enumerate(methods)}, colours_of(methods)
    for row in rows:
        place = places[row["method"]] + (0.13 if row["question"] == QUESTIONS[0] else -0.13)
        colour = colours[row["method"]]
        if row["low"] is not None:
            opinion.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=1.5)
        opinion.plot(row["mean"], place, _MARKS[row["question"]], color=colour, markersize=7)
    for question, mark in _MARKS.items():
        opinion.plot([], [], mark, color="0.4", label=question)
    opinion.axvline(0, color="0.6", linewidth=1)
    opinion.set(xlim=(-3.2, 3.2), ylim=(-len(methods) + 0.5, 0.5), title="opinions, with their 95 % interval")
    opinion.set_xlabel("-3: the other is much better, +3: this one")
    opinion.set_yticks(list(places.values()), list(places))
    figure.legend(*opinion.get_legend_handles_labels(), loc="outside lower right", ncols=2)
    for axis, (name, values) in zip(others, measured.items(), strict=True):
        for method, place in places.items():
            axis.plot(values[method], place, "D", color=colours[method], markersize=7)
        axis.set(title=f"{name}{' in dB' if name == 'PSNR-Y' else ''}")
        axis.margins(x=0.15)
    for axis in (opinion, *others):
        axis.grid(alpha=0.3)
    return figure


def opinion_table(rows: list[dict], measured: Rulers) -> str:
    """The same numbers as an HTML table, a row for each method."""
    heads = ["method", *QUESTIONS, *measured, "answers"]
    lines = []
    for method in _by_opinion(rows):
        own = {row["question"]: row for row in rows if row["method"] == method}
        cells = [html.escape(method), *(_told(own[question]) for question in QUESTIONS)]
        cells += [f"{values[method]:.2f}" for values in measured.values()]
        lines.append([*cells, str(own[QUESTIONS[0]]["answers"])])
    style = 'style="padding: 0 14px 0 0; text-align: left"'
    body = "".join(f"<tr>{''.join(f'<td {style}>{cell}</td>' for cell in line)}</tr>" for line in lines)
    return f"<table><tr>{''.join(f'<th {style}>{head}</th>' for head in heads)}</tr>{body}</table>"


def _by_opinion(rows: list[dict]) -> list[str]:
    """Methods, the one that was liked most first."""
    liked: dict[str, float] = {}
    for row in rows:
        liked[row["method"]] = liked.get(row["method"], 0.0) + row["mean"]
    return sorted(liked, key=lambda method: -liked[method])


def _told(row: dict) -> str:
    interval = "" if row["low"] is None else f" [{row['low']:+.2f}, {row['high']:+.2f}]"
    return f"{row['mean']:+.2f}{interval}"
