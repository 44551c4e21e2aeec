"""What a setting may be: a rule stands beside each field, and is kept whenever the dataclass is made.

@dataclass(frozen=True)
class Fog:
    density: Range = setting((0.1, 0.5), span(0, 1))

    __post_init__ = check
"""

import dataclasses
import reprlib
from collections.abc import Callable
from typing import Any, NamedTuple

from kdsharp.errors import KdsharpError

_LARGEST = 2**31 - 1


class Rule(NamedTuple):
    """Whether a value is allowed, and what is, as the end of a sentence."""

    holds: Callable[[Any], bool]
    allowed: str


def whole(low: int, high: int = _LARGEST) -> Rule:
    """A whole number from `low` to `high`; True and False are none."""
    limits = f"of at least {low}" if high == _LARGEST else f"from {low} to {high}"
    return Rule(lambda value: _is_whole(value) and low <= value <= high, f"a whole number {limits}")


def number(low: float, high: float = float("inf"), above: bool = False) -> Rule:
    """A finite number from `low` to `high`; with `above`, not `low` itself."""
    start = f"above {low:g}" if above else f"of at least {low:g}"
    limits = start if high == float("inf") else f"{start} and at most {high:g}"
    return Rule(lambda value: _within(value, low, high, above), f"a number {limits}")


def span(low: float, high: float, above: bool = False) -> Rule:
    """A pair (from, to) of finite numbers in order, both from `low` to `high`; with `above`, not `low` itself."""
    limits = f"above {low:g} and at most {high:g}" if above else f"from {low:g} to {high:g}"
    return Rule(
        lambda value: (
            isinstance(value, tuple)
            and len(value) == 2
            and all(_within(end, low, high, above) for end in value)
            and value[0] <= value[1]
        ),
        f"a pair of numbers, the smaller first, {limits}",
    )


def several(each: Rule, count: int | None = None, empty: bool = False) -> Rule:
    """A tuple whose values `each` allows: `count` of them, or any number."""
    return Rule(
        lambda values: (
            isinstance(values, tuple)
            and (len(values) == count if count else empty or len(values) > 0)
            and all(each.holds(value) for value in values)
        ),
        f"a tuple of {count or 'values'}, each {each.allowed}",
    )


def one_of(*words: Any) -> Rule:
    """One of some words or numbers."""
    return Rule(
        lambda value: any(type(value) is type(word) and value == word for word in words),
        f"one of {', '.join(map(str, words))}",
    )


def one_or_several(*words: str) -> Rule:
    """One of some words, or a tuple of them."""
    one = one_of(*words)
    return Rule(
        lambda value: one.holds(value) or several(one).holds(value), f"{one.allowed}, or a tuple of such"
    )


def optional(rule: Rule) -> Rule:
    """None, or what `rule` allows."""
    return Rule(lambda value: value is None or rule.holds(value), f"none, or {rule.allowed}")


def part(*classes: type) -> Rule:
    """A part of a recipe with settings of its own."""
    return Rule(
        lambda value: isinstance(value, classes), "what has its settings, or change one of them by name"
    )


YES_OR_NO = Rule(lambda value: isinstance(value, bool), "true or false")
OPTIONS = Rule(lambda value: isinstance(value, dict), "options by name")
TEXT = Rule(lambda value: isinstance(value, str) and bool(value.strip()), "a name")
SHARE = number(0, 1)
WEIGHT = number(0)
SEED = whole(0)
QUALITIES = span(1, 100)
GREY_LEVELS = span(0, 255)
WHOLE_SCALE = whole(1, 8)
SCALE = Rule(lambda value: WHOLE_SCALE.holds(value) or value == 1.5, f"{WHOLE_SCALE.allowed}, or 1.5")


def setting(default: Any, rule: Rule, later: bool = False) -> Any:
    """A field of a dataclass with its default, and what it may be; `later` if files were written before it came."""
    metadata = {"rule": rule, "later": later}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def required(rule: Rule) -> Any:
    """A field without default."""
    return dataclasses.field(metadata={"rule": rule})


def checked(place: str, *agree: Callable[[Any], None]) -> Callable[[Any], None]:
    """A `__post_init__` that sees that every setting is allowed, and then that they `agree`.

    `place` stands before a setting's name in the sentence of the KdsharpError, as a reader writes it: `training.`.
    """

    def check_settings(settings: Any) -> None:
        for item in dataclasses.fields(settings):
            if rule := item.metadata.get("rule"):
                demand(place + item.name, getattr(settings, item.name), rule)
        for see in agree:
            see(settings)

    return check_settings


check = checked("degradation.")


def demand(name: str, value: Any, rule: Rule) -> None:
    """Raise KdsharpError, one sentence about the setting `name`, if the rule does not allow its value."""
    if not rule.holds(value):
        raise KdsharpError(f"{name} is {reprlib.repr(value)}: give {rule.allowed}.")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _within(value: Any, low: float, high: float, above: bool) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return (low < value if above else low <= value) and value <= high and value < float("inf")
