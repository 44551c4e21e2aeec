"""Which network learns: its family and options, without its code, so that recipes are read without PyTorch."""

from dataclasses import dataclass
from typing import Any

from kdsharp.errors import KdsharpError
from kdsharp.recipes.checks import (
    OPTIONS,
    SCALE,
    TEXT,
    YES_OR_NO,
    Rule,
    checked,
    demand,
    number,
    one_of,
    setting,
    whole,
)
from kdsharp.recipes.sizes import whole_steps

COLOURS = ("luma", "rgb")
# The options of each family with their defaults, which are those of its class in `student`.
FAMILIES: dict[str, dict[str, Any]] = {
    "student": dict(
        scale=1, unshuffle=4, channels=32, body=3, colour="rgb", attention=False, branches=1, restraint=0.0
    ),
    "residual": dict(scale=4, channels=48, blocks=10, unshuffle=1, colour="rgb"),
    "unet": dict(scale=1, channels=24, levels=3, blocks=1, skips=True, unshuffle=1, colour="rgb"),
    "encoder-decoder": dict(scale=1, channels=24, levels=3, blocks=1, unshuffle=1, colour="rgb"),
}
# By an option's name, whatever the family. An option of another name takes values of its default's type.
_RULES: dict[str, Rule] = {
    "scale": SCALE,
    "unshuffle": whole(1, 16),
    "channels": whole(1, 1024),
    "body": whole(0, 1024),
    "blocks": whole(0, 1024),
    "levels": whole(1, 8),
    "branches": whole(1, 8),
    "colour": one_of(*COLOURS),
    "attention": YES_OR_NO,
    "restraint": number(0),
    "skips": YES_OR_NO,
}


def register_family(name: str, defaults: dict[str, Any]) -> None:
    """Make a family of networks known by name: the options of its class with their defaults.

    `scale` is the option by which it enlarges, `colour` is `luma` or `rgb`, and patches are multiples of `unshuffle`.
    """
    FAMILIES[name] = dict(defaults)


def check_network(network: "Network") -> None:
    """See that a network's family is registered and takes its options. Raises KdsharpError, one sentence."""
    demand("student.family", network.family, one_of(*FAMILIES))
    known = FAMILIES[network.family]
    for name, value in network.options.items():
        if name not in known:
            raise KdsharpError(
                f"The network '{network.family}' has no option {name!r}: choose among {', '.join(known)}."
            )
        demand(f"student.options.{name}", value, _RULES.get(name) or _like(known[name]))
    options = known | network.options
    scale, fold = options.get("scale", 1), options.get("unshuffle")
    _, small = whole_steps(scale)
    if fold is not None and fold % small:
        raise KdsharpError(
            f"student.options.unshuffle is {fold}: give a multiple of {small}, so that a scale of {scale} gives whole "
            "pixels."
        )


@dataclass(frozen=True)
class Network:
    """A network's family (`student`, `residual`, `unet`, `encoder-decoder`) and the keyword arguments of its class."""

    family: str = setting("student", TEXT)
    options: dict[str, Any] = setting({}, OPTIONS)

    __post_init__ = checked("student.", check_network)


@dataclass(frozen=True)
class UnknownNetwork(Network):
    """A network of a family that is not registered here, as it was written: it can be used where it is exported."""

    __post_init__ = checked("student.")


def _like(default: Any) -> Rule:
    kinds = (int, float) if type(default) is float else (type(default),)
    return Rule(lambda value: type(value) in kinds, f"what is like {default!r}")
