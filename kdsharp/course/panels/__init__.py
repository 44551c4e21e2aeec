"""Slider panels for the notebooks, built from core ipywidgets (versions 7 and 8) and nothing else.

A panel shows its picture as a plain figure where there is no front end, and as live widgets where there is one.
"""

from kdsharp.course.panels.degradation import degradation_panel
from kdsharp.course.panels.film import film_panel
from kdsharp.course.panels.hyperparameters import hyperparameter_panel
from kdsharp.course.panels.own_picture import own_picture, pan
from kdsharp.course.panels.panel import Panel, choice, slider
from kdsharp.course.panels.preference import preference_panel
from kdsharp.course.panels.spoiling import spoil
from kdsharp.course.panels.teachers import teacher_panel
from kdsharp.course.panels.training import training_view
from kdsharp.course.panels.viewer import comparison_viewer
from kdsharp.course.panels.votes import opinions

__all__ = [
    "Panel",
    "choice",
    "comparison_viewer",
    "degradation_panel",
    "film_panel",
    "hyperparameter_panel",
    "opinions",
    "own_picture",
    "pan",
    "preference_panel",
    "slider",
    "spoil",
    "teacher_panel",
    "training_view",
]
