"""Whom students of any system learn from, and how they listen: one teacher for fidelity, one for looks."""

from kdsharp.recipes.recipe import Losses

FIDELITY_TEACHER = "call-ceiling"  # for calls: the largest of our own, trained on the originals alone
PERCEPTUAL_TEACHER = "realesr-general-x4v3"

# From the large network that knows a clean frame when it sees one: the same gain for calls, and a clean frame keeps
# 6 dB more than without it (checkpoints/call-s.md).
LIKE_FIDELITY_TEACHER = Losses(hr=0.3, teacher=0.7, structure=0.5)
# From a teacher that draws detail: its picture is the goal, and the original would only pull back towards the blur.
LIKE_PERCEPTUAL_TEACHER = Losses(hr=0.0, teacher=1.0, structure=0.2, perceptual=0.01)
