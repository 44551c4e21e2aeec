"""From photographs to a student: the target store, the losses, training, and whole systems."""

from kdsharp.distill.training import TrainingResult, learning_rate, train, validate

__all__ = ["TrainingResult", "learning_rate", "train", "validate"]
