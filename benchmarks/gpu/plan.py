"""Who is trained when, and for how long: shares of the minutes, several at once, teachers before their students."""

from dataclasses import dataclass

from kdsharp import recipes

# How long each network is trained, as a share, in the order in which they are begun: the ceiling first, because others
# learn from it. A published network that is not named here has a share of `OTHERS`, after these.
SHARES = {
    "call-ceiling": 6.0,
    "x4-s": 3.0,
    "x2-s": 3.0,
    "x4-m-plain": 2.0,
    "blur-s": 1.0,
    "call-s": 3.0,
    "call-m": 3.0,
    "call-xs": 2.0,
    "call-x1.5": 2.0,
    "call-x2": 2.0,
    "call-x3": 2.0,
    "x4-m": 1.0,
    "call-s-perceptual": 1.0,
    "call-m-perceptual": 1.0,
}
OTHERS = 2.0
TOGETHER = (
    3  # processes: a network of twenty thousand weights leaves most of a GPU idle, and most of its time
)
FIGURES = 0.2  # of all minutes, after the networks: nothing else may run beside a stopwatch


@dataclass(frozen=True)
class Turn:
    """When a network is trained, in seconds from the start."""

    name: str
    begin: float
    seconds: float


def published() -> list[str]:
    """The networks that are published, in the order in which they are begun."""
    names = [name for name in recipes.presets() if recipes.published_for(name) == name]
    order = list(SHARES)
    return sorted(names, key=lambda name: order.index(name) if name in SHARES else len(order))


def needed(name: str) -> set[str]:
    """The published networks that another one learns from or begins with.

    One that goes on from itself begins with the file that is published already.
    """
    recipe = recipes.preset(name)
    return {other for other in (recipe.teacher, recipe.start) if other in published() and other != name}


def turns(names: list[str], seconds: float, together: int = TOGETHER) -> list[Turn]:
    """The turns of some networks, `together` of them at most at a time, that end after `seconds`.

    What a network needs is waited for where it is among the names. Turns are stretched alike, so that the last one ends
    in time: a lane that waits for a teacher is empty meanwhile.
    """
    ends: dict[str, float] = {}
    lanes, placed, waiting = [0.0] * together, [], list(names)
    while waiting:
        lane = min(range(together), key=lanes.__getitem__)
        starts = {
            name: max([lanes[lane], *(ends[other] for other in needed(name) & set(names))])
            for name in waiting
            if needed(name) & set(names) <= ends.keys()
        }
        name = min(starts, key=starts.get)  # the first of those that can begin soonest
        share = SHARES.get(name, OTHERS)
        lanes[lane] = ends[name] = starts[name] + share
        placed.append(Turn(name, starts[name], share))
        waiting.remove(name)
    stretch = seconds / max(ends.values(), default=1.0)
    return [Turn(turn.name, turn.begin * stretch, turn.seconds * stretch) for turn in placed]
