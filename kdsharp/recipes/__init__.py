"""Every setting of the course as plain data: what to degrade, who teaches, who learns, and for how long."""

from kdsharp.recipes.as_data import digest, from_dict, override, to_dict, written
from kdsharp.recipes.characters import characters, fidelity_teacher
from kdsharp.recipes.degradations import (
    DEGRADATIONS,
    RECEIVERS,
    Blur,
    Camera,
    Degradation,
    DegradeOnce,
    Downscale,
    KernelMix,
    Pairs,
    RealEsrgan,
    SmallFrame,
    VideoCall,
    fixed_call,
    fixed_small_frame,
    kind_of,
    register_degradation,
    scale_of,
)
from kdsharp.recipes.network import FAMILIES, Network, register_family
from kdsharp.recipes.recipe import Losses, Recipe, Store, Training, check_training
from kdsharp.recipes.registry import PROFILES, preset, presets, published_for, register, trains_teacher
from kdsharp.recipes.sizes import enlarged, shrunk, whole_steps
from kdsharp.recipes.systems import SYSTEMS
from kdsharp.recipes.teaching import FIDELITY_TEACHER, PERCEPTUAL_TEACHER
from kdsharp.recipes.zoo import MIXED_CALLS

__all__ = [
    "DEGRADATIONS",
    "FAMILIES",
    "FIDELITY_TEACHER",
    "MIXED_CALLS",
    "PERCEPTUAL_TEACHER",
    "PROFILES",
    "RECEIVERS",
    "SYSTEMS",
    "Blur",
    "Camera",
    "Degradation",
    "DegradeOnce",
    "Downscale",
    "KernelMix",
    "Losses",
    "Network",
    "Pairs",
    "RealEsrgan",
    "Recipe",
    "SmallFrame",
    "Store",
    "Training",
    "VideoCall",
    "characters",
    "check_training",
    "digest",
    "enlarged",
    "fidelity_teacher",
    "fixed_call",
    "fixed_small_frame",
    "from_dict",
    "kind_of",
    "override",
    "preset",
    "presets",
    "published_for",
    "register",
    "register_degradation",
    "register_family",
    "scale_of",
    "shrunk",
    "to_dict",
    "trains_teacher",
    "whole_steps",
    "written",
]
