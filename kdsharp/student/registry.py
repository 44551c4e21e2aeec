"""Which families of networks there are, and `build`, which makes one."""

import inspect
from collections.abc import Callable
from functools import partial

from torch import nn

from kdsharp import recipes
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Network

FAMILIES: dict[str, Callable[..., nn.Module]] = {}


def register(name: str, make: Callable[..., nn.Module]) -> None:
    """Make a class of networks (or a function that gives one) the family `name` of recipes.

    Its keyword arguments, each with a default, are the options of the family. What it makes has `scale`, `colour` (one
    of `CHANNELS`), `multiple` (it takes sides that are multiples of it in `forward_multiple`), and `last`, the layer
    whose input feature distillation looks at: `FoldedNetwork` brings the first three.
    Raises KdsharpError for an argument without default.
    """
    set_already = make.keywords if isinstance(make, partial) else {}
    options = inspect.signature(make).parameters.values()
    defaults = {one.name: one.default for one in options if one.name not in set_already}
    if bare := [option for option, default in defaults.items() if default is inspect.Parameter.empty]:
        raise KdsharpError(
            f"The family '{name}' has no default for {', '.join(bare)}: give one to each option."
        )
    FAMILIES[name] = make
    recipes.register_family(name, defaults)


def build(network: Network) -> nn.Module:
    """A freshly initialised network. Raises KdsharpError for options that do not go together (see `checks`)."""
    try:
        return FAMILIES[network.family](**network.options)
    except (TypeError, ValueError, KeyError, RuntimeError) as error:
        raise KdsharpError(f"The network '{network.family}' does not take these options: {error}.") from error
