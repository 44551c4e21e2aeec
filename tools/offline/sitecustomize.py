"""What Python imports at its start when `tools/rehearsal.py` puts this folder on PYTHONPATH.

The pinned sizes and checksums become those of the stand-ins, recipes become short, and nothing outside this machine is
reached: what has no stand-in fails loudly. Each module is changed right after its import, so that no program waits for
modules that it does not use.
"""

import dataclasses
import importlib.util
import json
import os
import socket
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

LOCAL = ("127.0.0.1", "::1", "localhost", "0.0.0.0", "", None, socket.gethostname())
known = json.loads(Path(os.environ["KDSHARP_REHEARSAL"]).read_text(encoding="utf-8"))
connect, look_up = socket.socket.connect, socket.getaddrinfo


def refuse(host: str) -> None:
    if host not in LOCAL:
        # No OSError, which a program might take for bad weather and go on.
        raise AssertionError(f"the rehearsal has no stand-in for what {host} should give")


def connect_here(self: socket.socket, address: object) -> None:
    if isinstance(address, tuple):
        refuse(address[0])
    connect(self, address)


def look_up_here(host: str, *rest: object, **named: object) -> list:
    refuse(host)
    return look_up(host, *rest, **named)


def div2k(data: ModuleType) -> None:
    for split, facts in known["div2k"].items():
        data.DIV2K[split] = dataclasses.replace(data.DIV2K[split], **facts)


def teachers(official: ModuleType) -> None:
    for name, facts in known["teachers"].items():
        official.OFFICIAL[name] = dataclasses.replace(official.OFFICIAL[name], **facts)


def packages(wheels: ModuleType) -> None:
    def refuse_pip(wheel: object, path: Path) -> None:
        raise AssertionError(f"the rehearsal has no stand-in for the package {wheel}")

    wheels.ask_pip = refuse_pip


def cifar10(cifar: ModuleType) -> None:
    sums = known["cifar"]
    batches = [f"data_batch_{number}" for number in range(1, 6)]
    cifar.CIFAR10.train_list = [[name, sums[name]] for name in batches]
    cifar.CIFAR10.test_list = [["test_batch", sums["test_batch"]]]
    cifar.CIFAR10.meta = cifar.CIFAR10.meta | {"md5": sums["batches.meta"]}
    cifar.CIFAR10.tgz_md5 = sums["archive"]


def short_presets(registry: ModuleType) -> None:
    """Each profile's own recipes, teachers and losses and all, with few steps, small crops and few of them."""
    preset = registry.preset

    def short(name: str, profile: str = "full"):
        recipe = preset(name, profile)
        if profile == "quick":
            return recipe
        crop = min(96, recipe.store.crop)
        changes = ["training.steps=50", "training.validate_every=10", "training.batch=2", "store.group=2"]
        changes += [f"training.patch={min(32, int(crop // recipe.scale))}"]
        changes += [
            f"store.crop={crop}",
            "store.crops_per_photo=2",
            *(["photos=12"] if recipe.photos else []),
        ]
        from kdsharp.recipes import override

        return override(recipe, changes)

    registry.preset = short


CHANGES = {
    "kdsharp.data.photos": div2k,
    "kdsharp.disk.wheels": packages,
    "kdsharp.recipes.registry": short_presets,
    "kdsharp.teacher.official": teachers,
    "torchvision.datasets.cifar": cifar10,
}


class Changer:
    """A finder that lets the usual ones find a module of `CHANGES`, and changes it once it has run."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if (change := CHANGES.pop(name, None)) is None:
            return None
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module

        def run_and_change(module: ModuleType) -> None:
            run(module)
            change(module)

        spec.loader.exec_module = run_and_change
        return spec


socket.socket.connect, socket.getaddrinfo = connect_here, look_up_here
sys.meta_path.insert(0, Changer)
