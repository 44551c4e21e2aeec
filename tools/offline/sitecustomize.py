"""What Python imports at its start when `tools/rehearsal.py` puts this folder on PYTHONPATH.

The pinned sizes and checksums become those of the stand-ins, recipes become short, and nothing outside this machine is
reached: what has no stand-in fails loudly.
"""

import dataclasses
import json
import os
import socket
from pathlib import Path

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


socket.socket.connect, socket.getaddrinfo = connect_here, look_up_here

from torchvision.datasets import CIFAR10  # noqa: E402

from kdsharp import data, recipes, teacher  # noqa: E402

for split, facts in known["div2k"].items():
    data.DIV2K[split] = dataclasses.replace(data.DIV2K[split], **facts)
for name, facts in known["teachers"].items():
    teacher.OFFICIAL[name] = dataclasses.replace(teacher.OFFICIAL[name], **facts)

CIFAR10.train_list = [[f"data_batch_{n}", known["cifar"][f"data_batch_{n}"]] for n in range(1, 6)]
CIFAR10.test_list = [["test_batch", known["cifar"]["test_batch"]]]
CIFAR10.meta = CIFAR10.meta | {"md5": known["cifar"]["batches.meta"]}
CIFAR10.tgz_md5 = known["cifar"]["archive"]

preset = recipes.preset


def short_preset(name: str, profile: str = "full") -> recipes.Recipe:
    """The profile's own recipe, teacher and losses and all, with few steps, small crops and few of them."""
    recipe = preset(name, profile)
    if profile == "quick":
        return recipe
    crop = min(96, recipe.store.crop)
    changes = ["training.steps=6", "training.validate_every=3", "training.batch=2", "store.group=2"]
    changes += [
        f"store.crop={crop}",
        "store.crops_per_photo=2",
        f"training.patch={min(32, crop // recipe.scale)}",
    ]
    return recipes.override(recipe, changes + (["photos=12"] if recipe.photos else []))


recipes.preset = short_preset
