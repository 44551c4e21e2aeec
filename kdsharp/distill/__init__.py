"""From photographs to a student: the target store, the losses, training, and whole systems."""

from kdsharp.distill import losses, pipeline, targets
from kdsharp.distill.batches import draw_batch
from kdsharp.distill.pipeline import train_student
from kdsharp.distill.training import TrainingResult, learning_rate, train
from kdsharp.distill.validation import validate

__all__ = [
    "TrainingResult",
    "draw_batch",
    "learning_rate",
    "losses",
    "pipeline",
    "targets",
    "train",
    "train_student",
    "validate",
]
