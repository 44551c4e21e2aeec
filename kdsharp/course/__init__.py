"""The notebooks' toolbox: `from kdsharp.course import begin, exercises, figures, panels`.

`figures` (matplotlib), `panels` (widgets) and `exercises` are modules, loaded when they are asked for; so is the
`runner` of all notebooks. Some names of other wings are here too, so that a notebook needs one wing beside its own.
"""

from kdsharp.course.lessons import (
    degraded,
    enlarged,
    fixed_degradation,
    load_teachers,
    on_all_gpus,
    photograph,
    recorded,
)
from kdsharp.course.start import Start, begin
from kdsharp.deploy import engines_at_hand
from kdsharp.disk.checkpoints import find as network_file
from kdsharp.evaluate import evaluate_student, score_card, share_of_the_way, teacher_picture
from kdsharp.recipes import characters
from kdsharp.speed import hardware, time_call
from kdsharp.student import build as build_student

__all__ = [
    "Start",
    "begin",
    "build_student",
    "characters",
    "degraded",
    "engines_at_hand",
    "enlarged",
    "evaluate_student",
    "fixed_degradation",
    "hardware",
    "load_teachers",
    "network_file",
    "on_all_gpus",
    "photograph",
    "recorded",
    "score_card",
    "share_of_the_way",
    "teacher_picture",
    "time_call",
]
