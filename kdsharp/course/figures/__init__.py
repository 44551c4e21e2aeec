"""The course's figures: pictures side by side with what to look at enlarged, curves, bars, and trade-offs.

Every function returns a matplotlib Figure; pictures are `uint8` RGB (H, W, 3).
"""

from kdsharp.course.figures.charts import ablation, bars, lines
from kdsharp.course.figures.costs import tradeoff
from kdsharp.course.figures.film import film
from kdsharp.course.figures.grid import grid
from kdsharp.course.figures.learning import curves, learning, terms
from kdsharp.course.figures.pictures import close_up, kernels_grid, side_by_side, stages
from kdsharp.course.figures.scores import gauge, score_card
from kdsharp.course.figures.style import BUDGETS, CHARACTERS, COLOURS, budget_lines, colours_of, save

__all__ = [
    "BUDGETS",
    "CHARACTERS",
    "COLOURS",
    "ablation",
    "bars",
    "budget_lines",
    "close_up",
    "colours_of",
    "curves",
    "film",
    "gauge",
    "grid",
    "kernels_grid",
    "learning",
    "lines",
    "save",
    "score_card",
    "side_by_side",
    "stages",
    "terms",
    "tradeoff",
]
