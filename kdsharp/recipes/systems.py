"""Where a reader begins: the six systems of the course, and the teachers that are trained for them, in full length."""

import dataclasses

from kdsharp.recipes.degradations import Blur, Camera, Downscale, RealEsrgan, VideoCall
from kdsharp.recipes.network import Network
from kdsharp.recipes.recipe import Losses, Recipe, Store, Training
from kdsharp.recipes.registry import register
from kdsharp.recipes.teaching import LIKE_PERCEPTUAL_TEACHER

SYSTEMS = ("video-call", "real-esrgan", "restormer", "cifar", "soft-targets", "mae")
_RELEASED = "RealESRGAN_x4plus_anime_6B"
# For faces and rooms: the network for drawings turns them into drawings.
_FOR_PHOTOGRAPHS = "RealESRGAN_x4plus"
# One that a T4 asks in seconds, for `medium`.
_PHOTOGRAPHIC = "teacher=realesr-general-x4v3"
# With these, each system of `quick`, its teacher included, takes a minute or two.
_SHORT = (
    "training.steps=300",
    "training.validate_every=100",
    "training.patch=64",
    "store.crops_per_photo=16",
)
_SHORT_CIFAR = (
    *("training.steps=300", "training.validate_every=100", "training.patch=32", "training.batch=16"),
    *("store.crop=32", "store.crops_per_photo=250"),
)
# The official teacher takes 0.6 s of a core a crop: few, small ones, of the calls that are usual (see `zoo`).
_FEW_CROPS = (
    'store={"crop": 96, "crops_per_photo": 32, "group": 2}',
    *("training.batch=16", "training.patch=64", "training.ema=0.98", "training.half_on_cpu=true"),
    *("training.steps=1200", "training.validate_every=120", "training.learning_rate=3e-3"),
    *("degradation.shrink=[1.5, 3.0]", "degradation.usual=[1.5, 2.0, 3.0]", "degradation.usual_share=0.8"),
    # Without VGG: distances of pixels alone made a student that was no crisper than the fidelity teacher's.
    *("losses.teacher=0.5", "losses.structure=0.3", "losses.contrast=3.0"),
    *('degradation.filters=["area"]', "degradation.noise=[0.0, 0.0]", "degradation.jpeg=[50.0, 90.0]"),
)
_SMALL = ("student.options.channels=24", "student.options.blocks=4")


def _student(unshuffle: int, body: int) -> Network:
    options = {"scale": 1, "unshuffle": unshuffle, "channels": 16, "body": body, "colour": "luma"}
    return Network("student", options)


def _teacher_of(recipe: Recipe, channels: int, blocks: int, unshuffle: int, colour: str) -> Recipe:
    """A residual network for the same degradation and data, which learns from the originals alone."""
    options = {"channels": channels, "blocks": blocks, "unshuffle": unshuffle, "colour": colour}
    return dataclasses.replace(
        recipe,
        name=f"{recipe.name}-teacher",
        student=Network("residual", options),
        teacher=None,
        losses=Losses(hr=1.0),
        training=dataclasses.replace(recipe.training, learning_rate=5e-4),
    )


register(
    Recipe(
        name="video-call",
        degradation=VideoCall(),
        student=_student(unshuffle=2, body=3),
        teacher=_FOR_PHOTOGRAPHS,
        losses=LIKE_PERCEPTUAL_TEACHER,
        training=Training(steps=40_000, batch=16, patch=128, learning_rate=2e-3),
    ),
    quick=_FEW_CROPS,
    medium=[_PHOTOGRAPHIC],
    published="call-s",
)
register(
    Recipe(
        name="real-esrgan",
        degradation=RealEsrgan(scale=4),
        student=Network("student", {"unshuffle": 1, "channels": 32, "body": 4, "colour": "rgb"}),
        teacher=_RELEASED,
        losses=Losses(hr=0.0, teacher=1.0, perceptual=0.005),
        training=Training(steps=40_000, batch=16, patch=48, learning_rate=2e-3),
    ),
    quick=["training.steps=1000", "training.validate_every=100", "training.half_on_cpu=true"],
    medium=[_PHOTOGRAPHIC],
    published="x4",
)
# Four systems that student projects set out to build. Their teachers are trained first where none is released.
_RESTORMER = register(
    Recipe(
        name="restormer",
        degradation=Blur("gaussian", (0.5, 0.5)),
        student=Network("unet", {"channels": 16, "levels": 3, "blocks": 1, "unshuffle": 2}),
        teacher="restormer-motion-deblurring",
        losses=Losses(hr=0.8, teacher=0.2),
        training=Training(steps=10_000, batch=8, patch=128),
        store=Store(crops_per_photo=6),
    ),
    quick=[*_SHORT, "training.steps=600", "training.learning_rate=2e-3", "teacher=restormer-teacher"],
    medium=["teacher=restormer-teacher"],  # needs no extra package
)
_CIFAR = register(
    Recipe(
        name="cifar",
        degradation=Blur("gaussian", (0.5, 2.0)),
        student=Network("encoder-decoder", {"channels": 16, "levels": 2, "blocks": 1}),
        teacher="cifar-teacher",
        losses=Losses(hr=1.0, teacher=0.5, perceptual=0.002, features=0.01, vgg=16),
        training=Training(steps=6000, batch=32, patch=32),
        store=Store(crop=32, crops_per_photo=1, group=1),
        data="cifar10",
        photos=1000,
    ),
    quick=_SHORT_CIFAR,
)
_SOFT_TARGETS = register(
    Recipe(
        name="soft-targets",
        degradation=Blur("gaussian", (0.5, 2.0)),
        student=_student(unshuffle=2, body=3),
        teacher="soft-targets-teacher",
        losses=Losses(hr=0.5, distance="mse", soft=0.5, temperature=2.0),
        training=Training(steps=10_000, batch=16, patch=96, learning_rate=2e-3),
        store=Store(crops_per_photo=6),
    ),
    quick=_SHORT,
)
_MAE = register(
    Recipe(
        name="mae",
        degradation=Camera(),
        student=_student(unshuffle=2, body=4),
        teacher="mae-teacher",
        losses=Losses(hr=0.7, teacher=0.3),
        training=Training(steps=10_000, batch=16, patch=96, learning_rate=2e-3),
        store=Store(crops_per_photo=12),
        photos=300,
    ),
    quick=_SHORT,
)
register(
    Recipe(
        name="self-teacher",
        degradation=Downscale(dirty_share=0.5),
        student=Network("residual", {"scale": 4, "channels": 48, "blocks": 6}),
        teacher=None,
        losses=Losses(hr=1.0),
        training=Training(steps=3000, batch=16, patch=40, learning_rate=1e-3, warmup=0.05),
    ),
    published="teacher-x4",
)
register(_teacher_of(_RESTORMER, 32, 9, 2, "rgb"), quick=[*_SHORT, "training.steps=200"])
register(_teacher_of(_CIFAR, 64, 8, 1, "rgb"), quick=[*_SHORT_CIFAR, *_SMALL])
register(_teacher_of(_SOFT_TARGETS, 64, 10, 2, "luma"), quick=[*_SHORT, *_SMALL])
register(_teacher_of(_MAE, 64, 10, 2, "luma"), quick=[*_SHORT, *_SMALL])
