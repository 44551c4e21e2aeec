"""Turn figures/results.json into tables and pictures: figures/results.md, categories.png, perception.png, ablation.png.

    python -m benchmarks.results

`python -m benchmarks.report` and `kdsharp ablate --json figures/results.json` measure what stands in that file;
`python -m benchmarks.harm` writes harm.json, from which harm.png is drawn here too.
"""

import argparse
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from kdsharp.course import figures
from kdsharp.disk import files

ROOT = Path(__file__).resolve().parent.parent
Row = dict[str, Any]
TABLES = {  # section: its heading, and what one has to know to read it
    "calls": (
        "Calls, fidelity and perception",
        "Eight held-out photographs of 1920 pixels; on Y against the original. Nothing is the receiver's bilinear\n"
        "enlargement, bicubic another of the same small frame; unsharp masks are searched (radius, amount) on these\n"
        "very pictures. JOD: ColorVideoVDP on a Full HD office monitor, 10 is the original;\n"
        "SSIMULACRA2: 100 is. Both, and PSNR-Y beside them, of the middle 384 pixels, damaged by themselves.",
    ),
    "small_frame": (
        "Calls, from the small frame",
        "The same calls, where the receiver hands over the frame that it has decoded before enlarging it. The gain is\n"
        "over its bilinear enlargement, which `call-s` gets here as everywhere.",
    ),
    "teachers": (
        "Calls, Real-ESRGAN",
        "The teachers on the frame that the receiver decodes, brought back to its size: the same middle 384 pixels.",
    ),
    "clean": (
        "A sharp frame, left alone?",
        "The originals themselves as input: nobody's good picture should be spoiled.",
    ),
    "blurs": ("Gaussian blur, no compression", "The same photographs, blurred by `sigma` pixels."),
    "benchmarks": (
        "Plain bicubic, as the literature",
        "Set5, Set14 and BSD100 in FSRCNN's paper (Dong et al. 2016): x2 37.00/.9558, 32.63/.9088, 31.53/.8920;\n"
        "x4 30.71/.8657, 27.59/.7535, 26.98/.7150.",
    ),
    "imitation": (
        "How close to the teacher",
        "Real-ESRGAN's second-order damage, x4; the teacher is realesr-general-x4v3. x4-s is the one of before.",
    ),
    "flicker": (
        "Flicker",
        "Mean change of the error from frame to frame, in 1/255, on clips of people at a camera. Doing nothing\n"
        "flickers too, because JPEG does. The networks for calls as they were when they knew one receiver.",
    ),
    "ablation": (
        "What distillation is worth",
        "The same student, data, seeds and steps; only the losses differ. Mean and standard deviation over seeds, and\n"
        "of the gain over no distillation with the same seed. On the middle 768 pixels of eight held-out photographs\n"
        "(calls: mild, medium and severe, and frames that arrive clean), or on whole benchmarks. Seconds of one core;\n"
        "the teacher's multiply-adds in billions per megapixel.",
    ),
    "ablation_real_esrgan": (
        "The same with Real-ESRGAN as the teacher of calls",
        "`call-s`, 2,000 steps, mean and standard deviation over three seeds, at a call of (2, 70), whole frames. The\n"
        "gain is over doing nothing.",
    ),
}
SETTINGS = ("student", "measured", "variant", "call", "sigma", "benchmark", "photos", "clip", "method")
MEASURED = {  # key: title and digits
    "psnr_y": ("PSNR-Y", 2),
    "psnr_y_sd": ("±", 3),
    "ssim_y": ("SSIM-Y", 4),
    "ssim_y_sd": ("±", 4),
    "gain_db": ("gain, dB", 2),
    "worth_db": ("over no distillation, dB", 3),
    "worth_db_sd": ("±", 3),
    "share_of_ceiling": ("share of ceiling", 2),
    "psnr_y_teacher": ("PSNR-Y to teacher", 2),
    "ssim_y_teacher": ("SSIM-Y to teacher", 4),
    "niqe": ("NIQE", 2),
    "flicker": ("flicker", 3),
    "psnr_y_middle": ("PSNR-Y, middle", 2),
    "jod": ("JOD", 2),
    "ssimulacra2": ("SSIMULACRA2", 1),
    "training_seconds": ("training, s", 0),
    "target_seconds": ("targets, s", 0),
    "teacher_gmacs": ("teacher, G", 1),
}


def markdown(results: dict[str, list[Row]]) -> str:
    """All sections as headed tables."""
    parts = [
        "# Results\n",
        "Made by `python -m benchmarks.results` from `results.json`; see [README](README.md) for the commands.\n",
    ]
    for section, (heading, sentence) in TABLES.items():
        if rows := results.get(section):
            parts += [f"## {heading}\n", f"{sentence}\n", table(rows)]
    if rows := results.get("categories"):
        parts += [
            "## More than a hundred frames in five categories\n",
            "SSIM on Y against the original. The networks as they were when they knew one receiver.\n",
            category_table(rows),
        ]
    return "\n".join(parts)


def table(rows: list[Row]) -> str:
    """Rows as a markdown table: the settings, then what was measured."""
    settings = [key for key in SETTINGS if key in rows[0]]
    measured = {key: value for key, value in MEASURED.items() if any(key in row for row in rows)}
    lines = ["| " + " | ".join([*settings, *(title for title, _ in measured.values())]) + " |"]
    lines.append("|" + "---|" * (len(settings) + len(measured)))
    for row in rows:
        cells = [str(row[key]) for key in settings]
        cells += [f"{row[key]:.{digits}f}" if key in row else "" for key, (_, digits) in measured.items()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def category_table(rows: list[Row]) -> str:
    """SSIM by call and method, one column per category."""
    categories = [*sorted({row["category"] for row in rows} - {"all"}), "all"]
    counts = {row["category"]: row["frames"] for row in rows}
    lines = ["| call | method | " + " | ".join(f"{name} ({counts[name]})" for name in categories) + " |"]
    lines.append("|" + "---|" * (len(categories) + 2))
    cells = {(row["call"], row["method"], row["category"]): f"{row['ssim_y']:.4f}" for row in rows}
    for call, method in dict.fromkeys((row["call"], row["method"]) for row in rows):
        found = " | ".join(cells[call, method, category] for category in categories)
        lines.append(f"| {call} | {method} | {found} |")
    return "\n".join(lines) + "\n"


def categories_figure(rows: list[Row]) -> Figure:
    """SSIM by category, one panel per call."""
    calls, methods = (list(dict.fromkeys(row[key] for row in rows)) for key in ("call", "method"))
    categories = [*sorted({row["category"] for row in rows} - {"all"}), "all"]
    figure, ((*axes,),) = plt.subplots(
        1, len(calls), figsize=(12, 4.2), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, call in zip(axes, calls, strict=True):
        for number, method in enumerate(methods):
            found = {
                row["category"]: row["ssim_y"]
                for row in rows
                if (row["call"], row["method"]) == (call, method)
            }
            places = [
                index + (number - len(methods) / 2 + 0.5) * 0.8 / len(methods)
                for index in range(len(categories))
            ]
            axis.bar(places, [found[name] for name in categories], 0.8 / len(methods), label=method,
                     color=figures.COLOURS[number])  # fmt: skip
        axis.axhline(0.9, color="black", linestyle=":", linewidth=1)
        axis.set(title=f"{call} call", xticks=range(len(categories)), ylim=(0.6, 1))
        axis.set_xticklabels(categories, rotation=35, ha="right")
    axes[0].set_ylabel("SSIM on Y (0.90 dotted)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(methods))
    return figure


def perception_figure(rows: list[Row]) -> Figure:
    """Distortion against perception (Blau and Michaeli 2018) at the medium call: one point per method."""
    points = {
        row["method"]: (row["jod"], row["psnr_y_middle"])
        for row in rows
        if row["call"] == "medium" and "jod" in row
    }
    return figures.tradeoff(
        points,
        "JOD (right is closer to the original for an eye)",
        "PSNR-Y in dB (up is closer in numbers)",
        "Perception against distortion, call of (2, 70)",
        logarithmic=False,
    )


def harm_figure(rows: list[Row]) -> Figure:
    """The map of harm (rows of `benchmarks.harm`): for each network and condition, JPEG by receiver and factor."""
    panels = list(dict.fromkeys((row["network"], row["condition"]) for row in rows))
    networks = list(dict.fromkeys(network for network, _ in panels))
    panels.sort(key=lambda panel: networks.index(panel[0]))  # however the rows were added
    columns = list(dict.fromkeys((row["receiver"], row["factor"]) for row in rows))
    receivers = list(dict.fromkeys(receiver for receiver, _ in columns))
    columns.sort(key=lambda column: (receivers.index(column[0]), column[1]))
    figure, axes = plt.subplots(
        len(panels), figsize=(10, 1 + 1.9 * len(panels)), squeeze=False, layout="constrained"
    )
    for axis, (network, condition) in zip(axes[:, 0], panels, strict=True):
        own = [row for row in rows if (row["network"], row["condition"]) == (network, condition)]
        image = _harm_panel(axis, own, columns)
        axis.set_title(f"{network}: {condition}", loc="left", pad=18, fontsize=11, fontweight="bold")
    axes[-1, 0].set_xlabel("how many times the frame was shrunk (1: not at all)")
    figure.colorbar(image, ax=axes[:, 0], extend="both", aspect=12 * len(panels), label="gain, dB")
    figure.suptitle(
        "Blue: the network improves the frames that a receiver shows. Red: it makes them worse.\n"
        "PSNR on luma over doing nothing, dB, by JPEG quality, shrinking and the receiver's filter"
    )
    return figure


def _harm_panel(axis: Axes, rows: list[Row], columns: list[tuple[str, float]]) -> AxesImage:
    """The cells of one network and condition, with their numbers; colours end at 1 dB, so that 0.1 dB is seen."""
    qualities = sorted({row["jpeg"] for row in rows}, reverse=True)
    cells = {(row["jpeg"], row["receiver"], row["factor"]): row["gain_db"] for row in rows}
    gains = np.array([[cells[quality, *column] for column in columns] for quality in qualities])
    image = axis.imshow(gains, cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
    for (line, column), gain in np.ndenumerate(gains):
        colour = "white" if abs(gain) > 0.65 else "black"
        axis.text(column, line, f"{gain:+.2f}", ha="center", va="center", fontsize=8, color=colour)
    axis.set(yticks=range(len(qualities)), yticklabels=qualities, ylabel="JPEG")
    axis.set(xticks=range(len(columns)), xticklabels=[f"{factor:g}" for _, factor in columns])
    for receiver in dict.fromkeys(receiver for receiver, _ in columns):
        places = [place for place, (one, _) in enumerate(columns) if one == receiver]
        if receiver != "none":
            axis.axvline(places[0] - 0.5, color="white", linewidth=4)
            axis.text(np.mean(places), -0.62, receiver, ha="center", va="bottom", fontsize=10)
    return image


def main() -> None:
    """Write the tables and pictures into figures/."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=ROOT / "figures", help="where results.json lies")
    folder = parser.parse_args().folder
    results = files.read_json(folder / "results.json")
    (folder / "results.md").write_text(markdown(results), encoding="utf-8")
    drawn = {"categories": categories_figure, "perception": perception_figure, "ablation": figures.ablation}
    rows = results | {"perception": results.get("calls", []) + results.get("teachers", [])}
    for name, draw in drawn.items():
        if rows.get(name):
            print(figures.save(draw(rows[name]), folder / f"{name}.png"))
    if (harm := folder / "harm.json").exists():
        print(figures.save(harm_figure(files.read_json(harm)["rows"]), folder / "harm.png"))
    print(folder / "results.md")


if __name__ == "__main__":
    main()
