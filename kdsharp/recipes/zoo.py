"""The model zoo: the networks that are published or meant to be, each as one recipe for `kdsharp train`.

The systems of `recipes` are where a reader begins. These are the same systems at full length, with the size, the
degradation and the losses that measurements chose (figures/results.json; the cards under checkpoints/ tell how).
"""

import dataclasses

from kdsharp.recipes.degradations import Blur, Degradation, Downscale, RealEsrgan, SmallFrame, VideoCall
from kdsharp.recipes.network import Network
from kdsharp.recipes.recipe import Losses, Recipe, Store, Training
from kdsharp.recipes.registry import register
from kdsharp.recipes.teaching import PERCEPTUAL_TEACHER

# WebRTC shrinks with a box filter, by few ratios. Drawing any ratio alike cost 0.46 dB at a ratio of 1.5, whose
# three phases come back in every frame. What a receiver enlarges with is its own affair: a student that knew bilinear
# enlargement alone made bicubic ones worse by up to 0.8 dB, and frames that were good already by more.
_SENDERS = ("area", "box")  # alike for whole factors (`degradation.resize`)
MIXED_CALLS = VideoCall(
    shrink=(1.0, 4.0),
    filters=_SENDERS,
    noise=(0.5, 4.0),
    noise_share=0.2,
    jpeg=(30.0, 100.0),
    enlarge=(
        *("bilinear",) * 4,
        "bicubic",
        "bicubic-opencv",
        *("lanczos",) * 2,
        "mitchell",
        "nearest-smooth",
    ),
    usual=(1.0, *(1.5, 2.0, 3.0) * 3),
    usual_share=0.85,
    clean_share=0.03,
    soft=(0.3, 0.8),
    soft_share=0.15,
)
# Squared error as a share of what doing nothing has: a decibel counts the same in a severe call and in a good frame.
_CALL_LOSSES = Losses(hr=0.0, relative=1.0, structure=1.5)
# L1 and SSIM to the original. Beside L1 alone, SSIM gains twice as much in the first steps, PSNR too: with clean frames
# in the batch, L1 lingers at "change nothing".
_FIDELITY = Losses(hr=1.0, structure=0.6)
_STORE = Store(crop=192, crops_per_photo=24)
_CALL_STORE = Store(crop=192, crops_per_photo=40, reductions=(1.0, 1.0, 1.5))


def _sharpener(channels: int, body: int, **more: float) -> Network:
    options = {"scale": 1, "unshuffle": 2, "channels": channels, "body": body, "colour": "luma"}
    return Network("student", options | more)


def _caller(channels: int, body: int) -> Network:
    """With restraint: good frames change by up to 0.2 of their steps, poor ones by 0.27 and more (photos/train)."""
    return _sharpener(channels, body, restraint=0.3)


def _upscaler(channels: int, body: int, colour: str = "luma", unshuffle: int = 1) -> Network:
    return Network("student", {"unshuffle": unshuffle, "channels": channels, "body": body, "colour": colour})


def _call(name: str, network: Network, training: Training, start: str | None = None) -> Recipe:
    """A sharpener of any call."""
    return Recipe(name, MIXED_CALLS, network, None, _CALL_LOSSES, training, _CALL_STORE, start)


def _from_small_frame(name: str, scale: float, network: Network, training: Training) -> Recipe:
    """A call's frame before its receiver enlarges it, for as many multiply-adds a 1080p output as `call-s` has."""
    degradation = SmallFrame(
        scale,
        _SENDERS,
        MIXED_CALLS.noise,
        MIXED_CALLS.jpeg,
        MIXED_CALLS.soft,
        0.1,
        clean_share=0.06,
        noise_share=0.1,
    )
    return Recipe(name, degradation, network, None, Losses(hr=1.0), training, _CALL_STORE)


def _training(steps: int, patch: int, learning_rate: float = 2e-3, batch: int = 16) -> Training:
    """For one CPU core, in bfloat16 where that is faster, and twenty validations on the way."""
    return Training(steps, batch, patch, learning_rate, 0.05, validate_every=steps // 20, half_on_cpu=True)


def _soap(steps: int, patch: int, learning_rate: float, batch: int = 16) -> Training:
    """The same with SOAP, which needs a fraction of AdamW's steps (docs/scale.md)."""
    return dataclasses.replace(_training(steps, patch, learning_rate, batch), optimizer="soap")


def _upscale(name: str, degradation: Degradation, network: Network, training: Training) -> Recipe:
    """By L1 alone: the literature's tables ask for PSNR."""
    return Recipe(name, degradation, network, None, Losses(hr=1.0), training, _STORE)


def _perceptual(fidelity: Recipe) -> Recipe:
    """The same network turned towards Real-ESRGAN's network for photographs, from where its fidelity training ended.

    Its local contrast is what makes a student crisper; distances of pixels alone leave it as soft as before. It also
    darkens, by 1 to 3 of 255, which is not to be learnt.
    """
    return dataclasses.replace(
        fidelity,
        name=f"{fidelity.name}-perceptual",
        teacher="RealESRGAN_x4plus",
        losses=Losses(hr=0.0, teacher=0.5, structure=0.3, contrast=3.0, others={"brightness": 5.0}),
        training=_soap(4000, 80, learning_rate=1e-3),
        store=Store(crop=96, crops_per_photo=6),  # the teacher takes a second a crop
        start=fidelity.name,
    )


_CEILING = Network("residual", {"channels": 64, "blocks": 28, "unshuffle": 2, "colour": "luma"})
# From scratch, small sharpeners of so mixed calls end at "change nothing": they go on from what knew one receiver.
_CALL_S = _call("call-s", _caller(16, 5), _soap(40_000, 96, 2e-3), start="call-s")
_CALL_XS = _call("call-xs", _caller(16, 2), _soap(24_000, 96, 3e-3))
_CALL_M = _call("call-m", _caller(32, 6), _soap(15_000, 96, 1e-3), start="call-m")
_CALL_X15 = _from_small_frame("call-x1.5", 1.5, _upscaler(24, 5, unshuffle=2), _soap(20_000, 64, 3e-3))
_CALL_X2 = _from_small_frame("call-x2", 2, _upscaler(16, 5), _soap(16_000, 64, 3e-3))
_CALL_X3 = _from_small_frame("call-x3", 3, _upscaler(24, 5), _soap(16_000, 48, 3e-3))
_CALL_CEILING = dataclasses.replace(
    _call("call-ceiling", _CEILING, _soap(9_000, 64, 1e-3), start="call-ceiling"),
    losses=Losses(hr=0.0, relative=1.0),
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


def _taught_upscaler(
    name: str, scale: int, network: Network, training: Training, start: str | None = None
) -> Recipe:
    """An upscaler of clean pictures with half an eye on SPAN, which is fifteen times its size or more."""
    degradation = Downscale(scale, filters=_SHRUNK)
    losses = Losses(hr=0.5, teacher=0.5)
    return Recipe(name, degradation, network, f"spanx{scale}_ch48", losses, training, _UPSCALERS, start)


_X2_S = _taught_upscaler("x2-s", 2, _upscaler(24, 4), _soap(100_000, 48, 3e-3), "x2-s")
_X4_S = _taught_upscaler("x4-s", 4, _upscaler(32, 5), _soap(30_000, 48, 4e-3))
_X4_M = dataclasses.replace(  # most of the way without VGG19, which takes nine tenths of a step's time
    _upscale("x4-m-plain", RealEsrgan(), _upscaler(48, 8, "rgb"), _soap(5_000, 48, 3e-3)),
    teacher=PERCEPTUAL_TEACHER,
    losses=Losses(hr=0.0, teacher=1.0, structure=0.6),
    store=Store(crop=256, crops_per_photo=30, reductions=(1.0, 1.5, 2.0)),
)
_X4_M_PERCEPTUAL = dataclasses.replace(
    _X4_M,
    name="x4-m",
    losses=dataclasses.replace(_X4_M.losses, perceptual=0.01),
    training=_soap(1500, 32, 1e-3, batch=4),
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
    *(_CALL_S, _CALL_M, _CALL_XS, _CALL_CEILING, _perceptual(_CALL_S), _perceptual(_CALL_M)),
    *(_CALL_X15, _CALL_X3),
    *(_BLUR_S, _X2_S, _X4_S, _X4_M, _X4_M_PERCEPTUAL),
):
    register(_recipe, quick=None, medium=None, published=_recipe.name)
for _recipe in (_CALL_X2, _X4_M_FIDELITY):
    register(_recipe, quick=None, medium=None)
