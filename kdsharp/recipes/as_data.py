"""Recipes as JSON-ready data and back, and changed by name as on the command line."""

import dataclasses
import hashlib
import json
import reprlib
from typing import Any

from kdsharp.errors import KdsharpError
from kdsharp.recipes.degradations import DEGRADATIONS, Degradation, UnknownDegradation, as_written, kind_of
from kdsharp.recipes.network import FAMILIES, UnknownNetwork
from kdsharp.recipes.recipe import Recipe, check_training

# Dictionaries of any names; all others hold the settings of a dataclass.
_OPEN = ("student.options", "losses.others")
# Terms of the loss that came later: written where they are weighed.
_LATER = ("others", "contrast")


def to_dict(recipe: Recipe) -> dict[str, Any]:
    """The recipe as JSON-ready data; `from_dict` is its inverse."""
    described = dataclasses.asdict(recipe)
    described["degradation"] = as_written(recipe.degradation)
    for name in _LATER:  # files are known by what they hold, also those from before there was such a setting
        if not described["losses"][name]:
            del described["losses"][name]
    derived = {"task": recipe.task, "scale": recipe.scale}
    return described | derived | {"degradation_kind": kind_of(recipe.degradation)}


def digest(recipe: Recipe) -> str:
    """Six characters that differ between recipes: for the folder of a run whose recipe was changed by hand."""
    return hashlib.sha256(json.dumps(to_dict(recipe), sort_keys=True).encode()).hexdigest()[:6]


def from_dict(data: dict[str, Any]) -> Recipe:
    """The recipe that `to_dict` (or a JSON file made from it) holds.

    A degradation or a family of networks that is not registered here is kept as it was written: `check_training`
    refuses it. Raises KdsharpError that names a setting which is missing, unknown or not allowed.
    """
    data = dict(data)
    data["degradation"] = _degradation(data.pop("degradation_kind", None), data.get("degradation"))
    network = data.get("student")
    if isinstance(network, dict) and str(network.get("family", "student")) not in FAMILIES:
        data["student"] = _rebuild(UnknownNetwork, network, "student.")
    derived = {name: data.pop(name) for name in ("task", "scale") if name in data}
    recipe = _rebuild(Recipe, data)
    for name, value in derived.items():
        found = getattr(recipe, name)
        if value != found:
            raise KdsharpError(
                f"{name} is {reprlib.repr(value)}, but by the degradation and its scale it is {found}."
            )
    return recipe


def override(recipe: Recipe, settings: list[str]) -> Recipe:
    """The recipe with settings such as `losses.perceptual=0` or `training.steps=2000` changed.

    Values are JSON (numbers, lists for ranges, quoted or bare words). `scale=2` changes it wherever it stands.
    Raises KdsharpError for an unknown name or a value that is not allowed.
    """
    described = json.loads(json.dumps(to_dict(recipe)))
    if not isinstance(recipe.degradation, UnknownDegradation):
        described["degradation"] = dataclasses.asdict(recipe.degradation)
    described["losses"] = {"others": {}, "contrast": 0.0} | described["losses"]
    for setting in settings:
        _change(described, setting)
    changed = from_dict(described)
    check_training(changed)
    return changed


def _change(described: dict[str, Any], setting: str) -> None:
    """Put one setting, `name=value`, into a described recipe."""
    name, _, text = setting.partition("=")
    *path, last = name.split(".")
    place: Any = described
    for step in path:
        place = place.get(step) if isinstance(place, dict) else None
    known = isinstance(place, dict) and (last in place or ".".join(path) in _OPEN)
    if not known or not last or not text:
        raise KdsharpError(
            f"The recipe has no setting '{setting}': write name=value, as training.steps=2000."
        )
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    if isinstance(place.get(last), dict) and not isinstance(value, dict):
        first = next(iter(place[last]), "NAME")
        raise KdsharpError(f"'{name}' has settings of its own: change one, as {name}.{first}.")
    place[last] = value
    if name == "degradation_kind" and str(value) in DEGRADATIONS:
        described["degradation"] = dataclasses.asdict(DEGRADATIONS[value]())
    if name == "scale":
        described.pop("task", None)  # follows
        described["student"]["options"]["scale"] = value
    if name in ("scale", "degradation_kind") and "scale" in described["degradation"]:
        described["degradation"]["scale"] = described["scale"]


def _degradation(kind: Any, settings: Any) -> Degradation:
    if not isinstance(kind, str) or not isinstance(settings, dict):
        raise KdsharpError(f"There is no degradation {kind!r}; choose one of {', '.join(DEGRADATIONS)}.")
    if kind not in DEGRADATIONS:
        return UnknownDegradation(kind, settings)
    return _rebuild(DEGRADATIONS[kind], settings, "degradation.")


def _rebuild(kind: type, values: dict[str, Any], place: str = "") -> Any:
    """`kind(**values)` with nested dataclasses and tuples restored from JSON's objects and lists.

    A setting that is not there holds its default: the recipe was written before there was such a setting.
    """
    fields = {item.name: item for item in dataclasses.fields(kind)}
    if unknown := values.keys() - fields.keys():
        raise KdsharpError(
            f"The recipe has no setting '{place}{min(unknown)}': choose among {', '.join(fields)}."
        )
    restored = {}
    for name, value in values.items():
        if isinstance(value, dict) and dataclasses.is_dataclass(fields[name].type):
            value = _rebuild(fields[name].type, value, f"{place}{name}.")
        restored[name] = tuple(value) if isinstance(value, list) else value
    try:
        return kind(**restored)
    except TypeError as error:  # what has no default is not there
        raise KdsharpError(f"The recipe is not whole ({error}): make it by `to_dict`.") from error
