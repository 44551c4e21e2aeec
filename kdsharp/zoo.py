"""The published networks: for each the recipe that made it, so that `kdsharp train NAME` makes it again.

The systems of `recipes` are where a reader begins. These are the same systems at full length, with the size, damage and
losses that measurements chose (figures/results.json; the cards under checkpoints/ tell how each was found).
"""

from kdsharp.recipes import Blur, Downscale, Losses, Network, RealEsrgan, Recipe, Store, Training, VideoCall

# WebRTC shrinks with a box filter (area), by few ratios; the camera's noise is in the photographs already. Drawing any
# ratio alike cost 0.46 dB at a ratio of 1.5, whose three phases come back in every frame.
_CALLS = VideoCall(
    shrink=(1.5, 3.0),
    filters=("area",),
    noise=(0.0, 0.0),
    jpeg=(50.0, 90.0),
    usual=(1.5, 2.0, 3.0),
    usual_share=0.8,
)
_FIDELITY = Losses(hr=1.0)
_STORE = Store(crop=192, crops_per_photo=24)
PERCEPTUAL_TEACHER = "realesr-general-x4v3"


def _student(unshuffle: int, channels: int, body: int, scale: int = 1, colour: str = "luma") -> Network:
    options = {"scale": scale, "unshuffle": unshuffle, "channels": channels, "body": body, "colour": colour}
    return Network("student", options)


def _training(steps: int, patch: int, learning_rate: float = 2e-3, batch: int = 16) -> Training:
    """On two CPU cores with bfloat16: all of these were trained so."""
    return Training(steps, batch, patch, learning_rate, validate_every=steps // 20, half_on_cpu=True)


def _call(name: str, network: Network, training: Training, losses: Losses = _FIDELITY, **rest) -> Recipe:
    return Recipe(
        name, "sharpen", 1, _CALLS, network, rest.pop("teacher", None), losses, training, _STORE, **rest
    )


_CALL_S, _CALL_M = _student(2, 16, 3), _student(2, 32, 6)
_LIKE_TEACHER = Losses(hr=0.0, teacher=1.0, perceptual=0.01)
_X4_M = _student(1, 48, 4, scale=4, colour="rgb")

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        _call("call-s", _CALL_S, _training(40_000, 96)),
        _call("call-m", _CALL_M, _training(9000, 96)),
        _call(
            "call-ceiling",
            Network("residual", {"scale": 1, "channels": 64, "blocks": 14, "unshuffle": 2, "colour": "luma"}),
            _training(12_000, 64, learning_rate=3e-4, batch=8),
        ),
        _call(
            "call-s-perceptual",
            _CALL_S,
            _training(4000, 64, learning_rate=5e-4, batch=4),
            _LIKE_TEACHER,
            teacher=PERCEPTUAL_TEACHER,
            start="call-s",
        ),
        _call(
            "call-m-perceptual",
            _CALL_M,
            _training(4000, 64, learning_rate=5e-4, batch=4),
            _LIKE_TEACHER,
            teacher=PERCEPTUAL_TEACHER,
            start="call-m",
        ),
        Recipe(
            "blur-s",
            "sharpen",
            1,
            Blur("gaussian", (0.5, 2.0)),
            _CALL_S,
            None,
            _FIDELITY,
            _training(12_000, 96),
            _STORE,
        ),
        Recipe(
            "x2-s",
            "upscale",
            2,
            Downscale(2),
            _student(1, 24, 4, scale=2),
            None,
            _FIDELITY,
            _training(20_000, 48),
            _STORE,
        ),
        Recipe(
            "x4-s",
            "upscale",
            4,
            Downscale(4),
            _student(1, 32, 3, scale=4),
            None,
            _FIDELITY,
            _training(20_000, 40),
            _STORE,
        ),
        Recipe(
            "x4-m-fidelity",
            "upscale",
            4,
            RealEsrgan(),
            _X4_M,
            PERCEPTUAL_TEACHER,
            Losses(hr=0.8, teacher=0.2),
            _training(20_000, 40),
            _STORE,
        ),
        Recipe(
            "x4-m",
            "upscale",
            4,
            RealEsrgan(),
            _X4_M,
            PERCEPTUAL_TEACHER,
            Losses(hr=0.0, teacher=1.0, perceptual=0.01),
            _training(20_000, 24, batch=8),
            _STORE,
        ),
    )
}
