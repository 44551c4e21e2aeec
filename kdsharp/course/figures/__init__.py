"""The course's figures: pictures side by side with what to look at enlarged, curves, bars, and trade-offs.

Every function returns a matplotlib Figure; pictures are `uint8` RGB (H, W, 3).
"""

from kdsharp.course.figures.charts import ablation, bars
from kdsharp.course.figures.costs import tradeoff
from kdsharp.course.figures.film import film
from kdsharp.course.figures.learning import curves, learning
from kdsharp.course.figures.pictures import close_up, kernels_grid, side_by_side, stages
from kdsharp.course.figures.scores import gauge, score_card
from kdsharp.course.figures.style import CHARACTERS, COLOURS, colours_of, save

__all__ = [
    "CHARACTERS",
    "COLOURS",
    "ablation",
    "bars",
    "close_up",
    "colours_of",
    "curves",
    "film",
    "gauge",
    "kernels_grid",
    "learning",
    "save",
    "score_card",
    "side_by_side",
    "stages",
    "tradeoff",
]
