"""Compute what changed: in a stream, tiles whose surroundings are as in the frame before keep their answer.

Codecs skip. Between two decoded frames of a poor call half of the picture and more is the same to the bit, and a
student of plain convolutions, which sees no further than `halo` pixels, would give the same answer there again. What is
computed anew is equal to what the whole frame would give, to the bit. Where a runtime takes other kernels for windows,
which round otherwise, the first frame shows it, and whole frames are computed.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

SIDE = 64  # of a tile, in pixels of the input: smaller ones spend more on their halo, larger ones change more often
STEP = 8  # windows at a time are multiples of it: each number of windows is prepared for when it first comes
BLOCK = 8  # of the map of changes: so many bytes are compared as one number
REPEATS = 5  # of each kind of work, to find what it costs
WORTH = 0.75  # of the whole frame's time may be spent on tiles: bookkeeping takes a part of the rest
REST = 4  # where too much moves, only every fourth frame is looked at

Answers = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Work:
    """How a student computes a frame or pieces of it: `uint8` (N, C, H, W) to `scale` times as high and wide.

    `padded` takes a picture, or windows that have an edge of the picture in them. `bare` takes windows out of a
    picture, and its answers lack the outermost `halo` pixels, which it has only looked at.
    """

    padded: Answers
    bare: Answers
    halo: int
    scale: float

    @property
    def window(self) -> int:
        return SIDE + 2 * self.halo


class Memory:
    """The last frame of a stream and its answer. Called with the next, planes (1, C, H, W), it gives the answer.

    Answers are read-only, and no later frame changes them. A frame of another size begins a new stream. `share` is how
    much of the frames since then was computed.
    """

    def __init__(self, work: Work) -> None:
        self.work = work
        self.before = self.after = np.empty((0, 0, 0, 0), np.uint8)
        self.seen, self.computed, self._rest = 0, 0.0, 0
        self._costs: tuple[float, ...] | None = None  # not known yet; empty: tiles would differ

    @property
    def share(self) -> float:
        return self.computed / max(self.seen, 1)

    def __call__(self, planes: np.ndarray) -> np.ndarray:
        self.seen += 1
        if self.before.shape != planes.shape:
            self._grid, self._costs = Grid(*planes.shape[-2:], self.work), None
            self.seen, self.computed, self._rest = 1, 0.0, 0
        elif self._rest:
            self._rest -= 1
            self.computed += 1
            if not self._rest:
                self.before = planes.copy()
            return self._whole(planes)
        elif self._grid.size:
            changed = self._grid.changed(self.before, planes)
            share = changed.mean()
            if share == 0:
                return self.after
            if self._worth(planes, changed):
                self.computed += share
                self.before = planes.copy()
                return self._kept(self._updated(planes, self.after.copy(), changed))
            self._rest = REST - 1
        self.computed += 1
        self.before = planes.copy()
        return self._whole(planes)

    def _whole(self, planes: np.ndarray) -> np.ndarray:
        return self._kept(self.work.padded(planes))

    def _kept(self, after: np.ndarray) -> np.ndarray:
        """Read-only: what is written into an answer would come back in the next one."""
        after.setflags(write=False)
        self.after = after
        return after

    def _worth(self, planes: np.ndarray, changed: np.ndarray) -> bool:
        """Whether the changed tiles take less time than the whole frame."""
        if changed.mean() > WORTH:
            return False
        if self._costs is None:
            self._costs = self._measured(planes) if self._exact() else ()
        if not self._costs:
            return False
        whole, *lines = self._costs
        inside, edge = (changed & ~self._grid.at_edge).sum(), (changed & self._grid.at_edge).sum()
        first, more, first_at_edge, more_at_edge = lines
        spent = (first + more * inside if inside else 0) + (
            first_at_edge + more_at_edge * edge if edge else 0
        )
        return spent < WORTH * whole

    def _measured(self, planes: np.ndarray) -> tuple[float, ...]:
        """Seconds for the whole frame, then for a first window and for each more, inside and at an edge."""
        counts = STEP, 8 * STEP
        side, few = self.work.window, (self.work.bare, self.work.padded)
        jobs: list[Callable[[], object]] = [lambda: self.work.padded(planes)]
        for answers in few:
            for count in counts:
                windows = np.zeros((count, planes.shape[1], side, side), np.uint8)
                jobs.append(lambda answers=answers, windows=windows: answers(windows))
        times: list[list[float]] = [[] for _ in jobs]
        for _ in range(REPEATS):
            for job, taken in zip(jobs, times, strict=True):
                began = time.perf_counter()
                job()
                taken.append(time.perf_counter() - began)
        whole, *pairs = map(median, times)
        costs = [whole]
        for little, much in (pairs[:2], pairs[2:]):
            more = max(much - little, 0) / (counts[1] - counts[0])
            costs += [max(little - counts[0] * more, 0), more]
        return tuple(costs)

    def _exact(self) -> bool:
        """Whether tiles give the last answer again."""
        everywhere = np.ones_like(self._grid.at_edge)
        return np.array_equal(self._updated(self.before, np.zeros_like(self.after), everywhere), self.after)

    def _updated(self, planes: np.ndarray, after: np.ndarray, changed: np.ndarray) -> np.ndarray:
        """`after` with the answers of the changed tiles written into it."""
        work, grid, wide = self.work, self._grid, round(SIDE * self.work.scale)
        given = sliding_window_view(planes[0], (work.window, work.window), axis=(1, 2))
        made = sliding_window_view(after[0], (wide, wide), axis=(1, 2), writeable=True)
        for at_edge, answers in ((False, work.bare), (True, work.padded)):
            rows, columns = np.nonzero(changed & (grid.at_edge == at_edge))
            if not len(rows):
                continue
            tops, lefts = grid.windows[0][rows], grid.windows[1][columns]
            windows = np.zeros((-(-len(rows) // STEP) * STEP, len(planes[0]), *given.shape[-2:]), np.uint8)
            windows[: len(rows)] = given[:, tops, lefts].swapaxes(0, 1)
            found = answers(windows)[: len(rows)]
            down, right = (
                np.rint(first * work.scale).astype(int)
                for first in (grid.tiles[0][rows], grid.tiles[1][columns])
            )
            if at_edge:  # the tile lies anywhere in its window
                inner = sliding_window_view(found, (wide, wide), axis=(2, 3))
                places = (np.rint(first * work.scale).astype(int) for first in (tops, lefts))
                top, left = (place - first for place, first in zip((down, right), places, strict=True))
                found = inner[np.arange(len(found)), :, top, left]
            made[:, down, right] = found.swapaxes(0, 1)
        return after


class Grid:
    """Where the tiles of a frame lie. The last of a row or column ends with the frame and may overlap its neighbour.

    `tiles` and `windows` are the first pixels by row and by column; `size` counts the tiles, none of a frame that is
    smaller than a window or whose width is no multiple of `BLOCK`.
    """

    def __init__(self, height: int, width: int, work: Work) -> None:
        self.halo = work.halo
        self.tiles, self.windows, edges = [], [], []
        fits = min(height, width) >= work.window and width % BLOCK == 0
        for length in (height, width):
            tiles = np.unique([*range(0, length - SIDE + 1, SIDE), length - SIDE] if fits else [])
            tiles = tiles.astype(int)
            self.tiles.append(tiles)
            self.windows.append(np.minimum(tiles - work.halo, length - work.window).clip(0))
            edges.append((tiles < work.halo) | (tiles + SIDE + work.halo > length))
        self.at_edge = edges[0][:, None] | edges[1][None]
        self.size = self.at_edge.size

    def changed(self, before: np.ndarray, planes: np.ndarray) -> np.ndarray:
        """Which tiles (rows, columns) have to be computed again: those within `halo` of a pixel that differs.

        Both are contiguous planes (1, C, H, W).
        """
        old, new = (picture[0].view(np.uint64) for picture in (before, planes))
        lines = (old != new).any(axis=0)
        blocks = (
            np.pad(lines, ((0, -len(lines) % BLOCK), (0, 0))).reshape(-1, BLOCK, lines.shape[1]).any(axis=1)
        )
        sums = cv2.integral(blocks.astype(np.uint8))
        (top, bottom), (left, right) = (
            (
                (tiles - self.halo).clip(0) // BLOCK,
                np.minimum(-(-(tiles + SIDE + self.halo) // BLOCK), count - 1),
            )
            for tiles, count in zip(self.tiles, sums.shape, strict=True)
        )
        rows = sums[bottom] - sums[top]
        return rows[:, right] - rows[:, left] > 0
