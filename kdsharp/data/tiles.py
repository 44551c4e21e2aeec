"""Where the tiles of a picture lie: what each sees, what of its result is kept, and where that goes."""

from typing import NamedTuple

from kdsharp.recipes import enlarged


class Span(NamedTuple):
    """A tile along one axis, in pixels: the network sees `seen`, of which `[start, end)` is kept.

    For a scale of 1.5, `start` and the first pixel seen are even, so that both fall on whole pixels of the result.
    """

    start: int
    end: int
    seen: slice

    def kept(self, scale: float = 1) -> slice:
        """What is kept, within the tile's result (which is `scale` times as large as what was seen)."""
        first = enlarged(self.start - self.seen.start, scale)
        return slice(first, first + enlarged(self.end - self.start, scale))

    def place(self, scale: float = 1) -> slice:
        """Where that lies in the whole result."""
        return slice(enlarged(self.start, scale), enlarged(self.end, scale))


def spans(length: int, tile: int, step: int, context: int) -> list[Span]:
    """Tiles of at most `tile` pixels, one every `step`, that cover `length` and overlap by the difference.

    Each sees up to `context` pixels more on both sides, and never beyond the picture, so that a network pads at its
    border just as it would pad the whole.
    """
    starts = range(0, max(1, length - (tile - step)), step)
    ends = [min(length, start + tile) for start in starts]
    return [
        Span(start, end, slice(max(0, start - context), min(length, end + context)))
        for start, end in zip(starts, ends, strict=True)
    ]
