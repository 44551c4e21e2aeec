"""One call adds a part, from outside: a degradation, a family of networks, a loss, an engine and a preset.

They are added here, and used together as a reader would: by name, in a recipe that trains, from the command line, and
in a student that is saved, loaded and run.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import kdsharp
from kdsharp import data, degradation, deploy, recipes, student
from kdsharp.apps.cli import main
from kdsharp.degradation import Degraded
from kdsharp.degradation import registry as chains
from kdsharp.deploy import Engine
from kdsharp.deploy.engines import base
from kdsharp.disk import checkpoints
from kdsharp.distill import losses
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Losses, Network, Recipe, Store, Training, registry


@dataclass(frozen=True)
class Fog:
    """Everything goes towards white by `density`, a share."""

    density: float = 0.4


class Brightness(nn.Module):
    """The least that can be called a network: each plane times a learnt number, and a learnt shift."""

    multiple = 1

    def __init__(self, scale: int = 1, colour: str = "rgb", gain: float = 1.0) -> None:
        super().__init__()
        self.scale, self.colour = scale, colour
        self.last = nn.Conv2d(3, 3, 1, groups=3)
        with torch.no_grad():
            self.last.weight.fill_(gain)
            self.last.bias.zero_()

    def forward(self, planes: Tensor) -> Tensor:
        return self.last(planes)

    forward_multiple = forward


class Doubling(Engine):
    """Twice the light, whatever the network."""

    wants, package = "network", "numpy"

    def __call__(self, planes: np.ndarray) -> np.ndarray:
        return (2 * planes).clip(0, 1)


@pytest.fixture(scope="module", autouse=True)
def parts() -> Iterator[None]:
    """The five calls; what they add is taken out again behind the last test of this file."""
    registries = (registry.ROWS, recipes.DEGRADATIONS, recipes.FAMILIES, chains._CHAINS, student.FAMILIES,
                  losses.TERMS, base._ENGINES)  # fmt: skip
    before = [dict(known) for known in registries]

    @degradation.register("fog", Fog)
    def fog(hr: Tensor, settings: Fog, _generator: torch.Generator) -> Degraded:
        foggy = ((hr + settings.density * (1 - hr)) * 255).round() / 255
        return Degraded({"original": hr, "fog": foggy}, foggy, foggy)

    @losses.register("light")
    def light(output: Tensor, goal: Tensor) -> Tensor:
        return (output.mean() - goal.mean()).abs()

    student.register("brightness", Brightness)
    deploy.register("doubling")(Doubling)
    recipes.register(
        Recipe(
            name="clear",
            degradation=Fog(density=0.5),
            student=Network("brightness"),
            teacher=None,
            losses=Losses(hr=0.9, others={"light": 0.1}),
            training=Training(steps=400, batch=4, patch=16, learning_rate=0.1, ema=0.9, validate_every=200),
            store=Store(crop=32, crops_per_photo=4),
        ),
        quick=[
            "training.steps=100",
            "training.warmup=0.1",
            "training.batch=4",
            "training.patch=16",
            "store.crop=32",
        ],
    )
    yield
    for known, earlier in zip(registries, before, strict=True):
        known.clear()
        known.update(earlier)


def test_the_degradation_is_known_by_name() -> None:
    grey = np.full((16, 16, 3), 100, np.uint8)
    sent, received = kdsharp.degrade(grey, "fog")
    assert np.array_equal(sent, received) and np.all(received == round(100 + 0.4 * 155))
    changed = kdsharp.override(kdsharp.preset("clear"), ["degradation.density=0.2"])
    assert changed.degradation == Fog(0.2) and recipes.from_dict(recipes.to_dict(changed)) == changed


def test_the_family_brings_its_options() -> None:
    assert student.build(Network("brightness", {"gain": 3.0})).last.weight.eq(3).all()
    with pytest.raises(KdsharpError, match=r"no option 'channels'.*gain"):
        Network("brightness", {"channels": 8})


def test_the_loss_counts() -> None:
    output, hr = torch.full((1, 3, 4, 4), 0.75), torch.full((1, 3, 4, 4), 0.25)
    terms = losses.distillation_loss(output, hr, None, Losses(hr=0.0, others={"light": 0.1}))
    assert set(terms) == {"light", "loss"} and float(terms["loss"]) == pytest.approx(0.05)


def test_the_preset_trains_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """The degradation, the family and the loss together, by the preset's name."""
    assert "clear" in kdsharp.presets()
    for number, photo in enumerate(data.embedded_photos("train")):
        data.write_image(tmp_path / "photos" / f"{number}.png", data.read_image(photo)[:64, :64])
    command = ["train", "clear", "--profile", "quick", "--photos", str(tmp_path / "photos"), "--holdout", "1"]
    assert main([*command, "--folder", str(tmp_path / "run")]) == 0, capsys.readouterr().err
    mine = kdsharp.load_student(tmp_path / "run" / "student.safetensors")
    assert mine.recipe == kdsharp.preset("clear", "quick")
    hr = data.read_image(data.embedded_photos("val")[0])
    foggy = kdsharp.degrade(hr, mine.recipe.degradation)[1]
    assert kdsharp.psnr(mine(foggy), hr) > kdsharp.psnr(foggy, hr) + 1, "it did not learn to see through fog"


def test_the_engine_is_asked_by_name(tmp_path: Path) -> None:
    recipe = kdsharp.preset("clear")
    path = checkpoints.save(tmp_path / "mine.safetensors", student.build(recipe.student), recipe)
    twice = kdsharp.load_student(path, engine="doubling")
    assert np.all(twice(np.full((4, 4, 3), 60, np.uint8)) == 120) and "doubling" in deploy.engines_at_hand()
