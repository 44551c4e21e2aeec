"""The model zoo: the networks that are published or meant to be, each as one recipe for `kdsharp train`.

The systems of `recipes` are where a reader begins. These are the same systems at full length, with the size, the
degradation and the losses that measurements chose (figures/results.json; the cards under checkpoints/ tell how).
"""

import dataclasses

from kdsharp.recipes.degradations import Blur, Degradation, Downscale, RealEsrgan, SmallFrame, VideoCall
from kdsharp.recipes.network import Network
from kdsharp.recipes.recipe import Losses, Recipe, Store, Training
from kdsharp.recipes.registry import register
from kdsharp.recipes.teaching import (
    FIDELITY_TEACHER,
    LIKE_FIDELITY_TEACHER,
    LIKE_PERCEPTUAL_TEACHER,
    PERCEPTUAL_TEACHER,
)

# WebRTC shrinks with a box filter (area), by few ratios; the camera's noise is in the photographs already. Drawing any
# ratio alike cost 0.46 dB at a ratio of 1.5, whose three phases come back in every frame. Without clean frames, a
# student sharpens what is sharp already: a good picture came out at 33 dB.
_CALLS = VideoCall(
    shrink=(1.5, 3.0),
    filters=("area",),
    noise=(0.0, 0.0),
    jpeg=(50.0, 90.0),
    usual=(1.5, 2.0, 3.0),
    usual_share=0.8,
    clean_share=0.02,
)
# L1 and SSIM to the original. Beside L1 alone, SSIM gains twice as much in the first steps, PSNR too: with clean frames
# in the batch, L1 lingers at "change nothing".
_FIDELITY = Losses(hr=1.0, structure=0.6)
_STORE = Store(crop=192, crops_per_photo=24)


def _sharpener(channels: int, body: int) -> Network:
    options = {"scale": 1, "unshuffle": 2, "channels": channels, "body": body, "colour": "luma"}
    return Network("student", options)


def _upscaler(channels: int, body: int, colour: str = "luma", unshuffle: int = 1) -> Network:
    return Network("student", {"unshuffle": unshuffle, "channels": channels, "body": body, "colour": colour})


def _from_small_frame(name: str, scale: float, network: Network, patch: int) -> Recipe:
    """A call's frame before its receiver enlarges it, for as many multiply-adds a 1080p output as `call-s` has."""
    degradation = SmallFrame(scale, _CALLS.filters, _CALLS.noise, _CALLS.jpeg, clean_share=_CALLS.clean_share)
    training = _training(30_000, patch)
    return Recipe(name, degradation, network, FIDELITY_TEACHER, LIKE_FIDELITY_TEACHER, training, _STORE)


def _training(
    steps: int, patch: int, learning_rate: float = 2e-3, batch: int = 16, optimizer: str = "adamw"
) -> Training:
    """For one CPU core, in bfloat16 where that is faster, and twenty validations on the way."""
    every = max(1, steps // 20)
    return Training(
        steps, batch, patch, learning_rate, 0.05, validate_every=every, half_on_cpu=True, optimizer=optimizer
    )


def _upscale(name: str, degradation: Degradation, network: Network, training: Training) -> Recipe:
    """By L1 alone: the literature's tables ask for PSNR."""
    return Recipe(name, degradation, network, None, Losses(hr=1.0), training, _STORE)


def _perceptual(fidelity: Recipe) -> Recipe:
    """The same network turned towards the perceptual teacher, from where its fidelity training ended."""
    return dataclasses.replace(
        fidelity,
        name=f"{fidelity.name}-perceptual",
        teacher=PERCEPTUAL_TEACHER,
        losses=LIKE_PERCEPTUAL_TEACHER,
        training=_training(4000, 64, learning_rate=5e-4, batch=4),
        store=Store(crop=128, crops_per_photo=12),
        start=fidelity.name,
    )


_CEILING = Network("residual", {"channels": 64, "blocks": 14, "unshuffle": 2, "colour": "luma"})
_CALL_S = Recipe(
    "call-s",
    _CALLS,
    _sharpener(16, 5),
    FIDELITY_TEACHER,
    LIKE_FIDELITY_TEACHER,
    _training(30_000, 96),
    _STORE,
)
_CALL_X15 = _from_small_frame("call-x1.5", 1.5, _upscaler(24, 5, unshuffle=2), 64)
_CALL_X2 = _from_small_frame("call-x2", 2, _upscaler(16, 5), 64)
_CALL_X3 = _from_small_frame("call-x3", 3, _upscaler(24, 5), 48)
_CALL_M = Recipe(
    "call-m",
    _CALLS,
    _sharpener(32, 6),
    FIDELITY_TEACHER,
    LIKE_FIDELITY_TEACHER,
    _training(15_000, 96),
    _STORE,
)
_CALL_CEILING = Recipe(
    name="call-ceiling",
    degradation=dataclasses.replace(_CALLS, clean_share=0.1),
    student=_CEILING,
    teacher=None,
    losses=Losses(hr=1.0, structure=0.4),
    training=_training(12_000, 64, 3e-4, 8),
    store=_STORE,
)
_BLUR_S = Recipe(
    name="blur-s",
    degradation=Blur("gaussian", (0.5, 2.0), lean=3.0),
    student=_sharpener(16, 5),
    teacher=None,
    losses=_FIDELITY,
    training=_training(16_000, 96),
    store=_STORE,
)
# SOAP: after 1,500 steps 36.4 dB on Set5 where AdamW had 35.5, in the same time. Browsers and calls
# shrink by area, the literature by bicubic: a network that knows one only is 0.7 dB worse on the other (Set14, x2).
# SPAN beside the original, three seeds: x2 +0.12 and +0.07 dB on Set5 and Set14, x4 +0.06 and +0.03.
_SHRUNK = ("bicubic", "area")
_UPSCALERS = dataclasses.replace(_STORE, crops_per_photo=40, reductions=(1.0, 1.5, 2.0, 3.0))


def _taught_upscaler(name: str, scale: int, network: Network, training: Training) -> Recipe:
    """An upscaler of clean pictures with half an eye on SPAN, which is fifteen times its size or more."""
    degradation = Downscale(scale, filters=_SHRUNK)
    losses = Losses(hr=0.5, teacher=0.5)
    return Recipe(name, degradation, network, f"spanx{scale}_ch48", losses, training, _UPSCALERS)


_X2_S = _taught_upscaler("x2-s", 2, _upscaler(24, 4), _training(40_000, 48, 4e-3, optimizer="soap"))
_X4_S = _taught_upscaler("x4-s", 4, _upscaler(32, 5), _training(30_000, 48, 4e-3, optimizer="soap"))
_X4_M = dataclasses.replace(  # most of the way without VGG19, which takes nine tenths of a step's time
    _upscale("x4-m-plain", RealEsrgan(), _upscaler(32, 8, "rgb"), _training(16_000, 32, 1e-3, 8)),
    teacher=PERCEPTUAL_TEACHER,
    losses=Losses(hr=0.0, teacher=1.0, structure=0.6),
)
_X4_M_PERCEPTUAL = dataclasses.replace(
    _X4_M,
    name="x4-m",
    losses=LIKE_PERCEPTUAL_TEACHER,
    training=_training(3000, 24, learning_rate=5e-4, batch=4),
    start=_X4_M.name,
)
_X4_M_FIDELITY = dataclasses.replace(
    _X4_M,
    name="x4-m-fidelity",
    losses=Losses(hr=0.8, teacher=0.2),
    training=_training(6000, 32, learning_rate=1e-3),
    start=_X4_M.name,
)
for _recipe in (
    *(_CALL_S, _CALL_M, _CALL_CEILING, _perceptual(_CALL_S), _perceptual(_CALL_M)),
    *(_CALL_X15, _CALL_X2, _CALL_X3),
    *(_BLUR_S, _X2_S, _X4_S, _X4_M, _X4_M_PERCEPTUAL),
):
    register(_recipe, quick=None, medium=None, published=_recipe.name)
register(_X4_M_FIDELITY, quick=None, medium=None)
