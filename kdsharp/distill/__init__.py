"""From photographs to a student: the target store, the losses, training, and whole systems."""

from kdsharp.distill import losses, pipeline, targets
from kdsharp.distill.batches import draw_batch
from kdsharp.distill.pipeline import train_student
from kdsharp.distill.training import TrainingResult, learning_rate, train
from kdsharp.distill.validation import doing_nothing, frames, show_teacher, validate

__all__ = [
    "TrainingResult",
    "doing_nothing",
    "draw_batch",
    "frames",
    "learning_rate",
    "losses",
    "pipeline",
    "show_teacher",
    "targets",
    "train",
    "train_student",
    "validate",
]
