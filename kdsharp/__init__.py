"""kdsharp: image sharpening by knowledge distillation, in the order of the course.

What most programs need is here, by name (`kdsharp.load_student`); the wings hold the rest, in the order of the course:
recipes, disk, data, degradation, student, teacher, deploy, evaluate, distill, speed, course, apps.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kdsharp.errors import naming_the_extra

if TYPE_CHECKING:
    from kdsharp.apps.video import sharpen_video as sharpen_video
    from kdsharp.data import embedded_photos as embedded_photos
    from kdsharp.data import read_image as read_image
    from kdsharp.data import to_image as to_image
    from kdsharp.data import to_tensor as to_tensor
    from kdsharp.data import write_image as write_image
    from kdsharp.degradation import degrade_picture as degrade
    from kdsharp.deploy import load_student as load_student
    from kdsharp.disk.checkpoints import students as students
    from kdsharp.distill import train_student as train
    from kdsharp.evaluate import compare as compare
    from kdsharp.evaluate import psnr as psnr
    from kdsharp.evaluate import ssim as ssim
    from kdsharp.evaluate import unsharp as unsharp
    from kdsharp.recipes import fixed_call as fixed_call
    from kdsharp.recipes import override as override
    from kdsharp.recipes import preset as preset
    from kdsharp.recipes import presets as presets
    from kdsharp.teacher import at_hand as teachers
    from kdsharp.teacher import load_teacher as load_teacher

__version__ = "0.1.0"

# Imported when it is asked for: `import kdsharp` alone stays instant, and using a student needs no PyTorch.
_HOMES = {
    "compare": "evaluate.compare",
    "degrade": "degradation.degrade_picture",
    "embedded_photos": "data.embedded_photos",
    "fixed_call": "recipes.fixed_call",
    "load_student": "deploy.load_student",
    "load_teacher": "teacher.load_teacher",
    "override": "recipes.override",
    "preset": "recipes.preset",
    "presets": "recipes.presets",
    "psnr": "evaluate.psnr",
    "read_image": "data.read_image",
    "sharpen_video": "apps.video.sharpen_video",
    "ssim": "evaluate.ssim",
    "students": "disk.checkpoints.students",
    "teachers": "teacher.at_hand",
    "to_image": "data.to_image",
    "to_tensor": "data.to_tensor",
    "train": "distill.train_student",
    "unsharp": "evaluate.unsharp",
    "write_image": "data.write_image",
}
__all__ = [
    "compare",
    "degrade",
    "embedded_photos",
    "fixed_call",
    "load_student",
    "load_teacher",
    "override",
    "preset",
    "presets",
    "psnr",
    "read_image",
    "sharpen_video",
    "ssim",
    "students",
    "teachers",
    "to_image",
    "to_tensor",
    "train",
    "unsharp",
    "write_image",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kdsharp' has no attribute '{name}'")
    module, _, found = _HOMES[name].rpartition(".")
    with naming_the_extra(f"kdsharp.{name} needs"):
        return getattr(import_module(f"kdsharp.{module}"), found)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
