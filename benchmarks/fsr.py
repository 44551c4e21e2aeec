"""AMD's FidelityFX Super Resolution 1 on a luma plane, from its published description: EASU enlarges, RCAS sharpens.

EASU (edge-adaptive spatial upsampling) weighs twelve pixels by a Lanczos-like kernel that is turned along the edge
there and stretched the more the clearer the edge is; the answer stays between the four nearest pixels. RCAS (robust
contrast-adaptive sharpening) takes so much of the four neighbours away as leaves the answer between black and white.
Lottes, "FidelityFX Super Resolution 1.0", 2021. There both work on RGB, with half-precision reciprocals.
"""

import cv2
import numpy as np

# Places (x, y) around the four nearest pixels, row by row.
_TAPS = (
    *((x, -1) for x in (0, 1)),
    *((x, y) for y in (0, 1) for x in (-1, 0, 1, 2)),
    *((x, 2) for x in (0, 1)),
)
_LEAST = 1 / 32768  # a gradient below it has no direction
_RCAS_LIMIT = 0.25 - 1 / 16


def easu(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A `float32` plane (H, W) in [0, 1] enlarged to `size` (height, width)."""
    rows, columns = (
        (np.arange(large, dtype=np.float32) + 0.5) * small / large - 0.5
        for large, small in zip(size, plane.shape, strict=True)
    )
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    down, right = (rows - top).astype(np.float32)[:, None], (columns - left).astype(np.float32)[None]
    edged = np.pad(plane, 2, mode="edge")

    def tap(across: int, below: int) -> np.ndarray:
        return edged[np.ix_(top + 2 + below, left + 2 + across)]

    taps = {place: tap(*place) for place in _TAPS}
    across, below, clearness = _edges(taps, right, down)
    along, over, lobe = _kernel(across, below, clearness)
    total, weights = np.zeros(size, np.float32), np.zeros(size, np.float32)
    for (x, y), value in taps.items():
        away, beneath = x - right, y - down
        u = (away * across + beneath * below) * along
        v = (beneath * across - away * below) * over
        square = np.minimum(u * u + v * v, 1 / lobe)
        weight = (25 / 16 * (2 / 5 * square - 1) ** 2 - (25 / 16 - 1)) * (lobe * square - 1) ** 2
        total += weight * value
        weights += weight
    nearest = [taps[place] for place in ((0, 0), (1, 0), (0, 1), (1, 1))]
    return np.clip(total / weights, np.minimum.reduce(nearest), np.maximum.reduce(nearest))


def _edges(taps: dict, right: np.ndarray, down: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The unit gradient (x, y), and how clear the edge is, 0 to 1: those of the four nearest pixels, by distance."""
    gradients, clearness = [0.0, 0.0], 0.0
    for x, y in ((0, 0), (1, 0), (0, 1), (1, 1)):
        share = (right if x else 1 - right) * (down if y else 1 - down)
        for axis, (dx, dy) in enumerate(((1, 0), (0, 1))):
            before, middle, after = (taps[x + step * dx, y + step * dy] for step in (-1, 0, 1))
            steepest = np.maximum(np.abs(after - middle), np.abs(middle - before))
            slope = after - before
            straight = np.clip(np.abs(slope) / np.maximum(steepest, 1e-6), 0, 1) ** 2
            gradients[axis] = gradients[axis] + slope * share
            clearness = clearness + straight * share
    length = gradients[0] ** 2 + gradients[1] ** 2
    flat, scale = length < _LEAST, 1 / np.sqrt(np.maximum(length, _LEAST))
    across, below = (
        np.where(flat, none, part * scale) for part, none in zip(gradients, (1.0, 0.0), strict=True)
    )
    return across.astype(np.float32), below.astype(np.float32), ((clearness / 2) ** 2).astype(np.float32)


def _kernel(across: np.ndarray, below: np.ndarray, clearness: np.ndarray) -> tuple[np.ndarray, ...]:
    """How much narrower the kernel is across the edge and along it, and its negative lobe."""
    diagonal = 1 / np.maximum(np.abs(across), np.abs(below))  # of a square to its side, in this direction
    return 1 + (diagonal - 1) * clearness, 1 - 0.5 * clearness, 0.5 + (0.25 - 0.04 - 0.5) * clearness


def rcas(plane: np.ndarray, stops: float = 0.2) -> np.ndarray:
    """A `float32` plane (H, W) in [0, 1] sharpened; `stops` of 1 takes half the strength, 0 is the most."""
    edged = np.pad(plane, 1, mode="edge")
    around = [edged[:-2, 1:-1], edged[1:-1, :-2], edged[1:-1, 2:], edged[2:, 1:-1]]
    low, high = np.minimum.reduce(around), np.maximum.reduce(around)
    black = low / np.maximum(4 * high, 1e-6)
    white = (1 - high) / np.minimum(4 * low - 4, -1e-6)
    lobe = np.clip(np.maximum(-black, white), -_RCAS_LIMIT, 0) * 2**-stops
    return (lobe * sum(around) + plane) / (4 * lobe + 1)


def enlarged(picture: np.ndarray, size: tuple[int, int], stops: float | None = 0.2) -> np.ndarray:
    """`uint8` RGB (H, W, 3) to `size` (height, width): luma by EASU, and RCAS unless None, chroma by interpolation."""
    colours = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)
    large = cv2.resize(colours, size[::-1], interpolation=cv2.INTER_CUBIC)
    luma = easu(colours[..., 0].astype(np.float32) / 255, size)
    luma = luma if stops is None else rcas(luma, stops)
    large[..., 0] = np.rint(255 * luma.clip(0, 1))
    return cv2.cvtColor(large, cv2.COLOR_YCrCb2RGB)
