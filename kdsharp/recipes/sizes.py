"""Sides of pictures, in pixels, at both ends of an enlargement by 1.5 or a whole number."""


def enlarged(side: int, scale: float) -> int:
    """A side after enlargement: the nearest whole number, of two as near the larger (7.5 becomes 8)."""
    return int(side * scale + 0.5)


def shrunk(side: int, scale: float) -> int:
    """The largest side whose enlargement is not above `side`: exact where `side` is a multiple of `whole_steps`."""
    return int(side // scale)


def whole_steps(scale: float) -> tuple[int, int]:
    """So many pixels of a large side are so many of a small one: (3, 2) at a scale of 1.5, (2, 1) at 2."""
    return scale.as_integer_ratio()
