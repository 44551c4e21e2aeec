"""A page that sharpens in the visitor's own browser: pictures, a camera, a shared screen; no frame leaves it."""

from kdsharp.apps.live.routes import blueprint
from kdsharp.apps.live.runtime import RUNTIME, fetch_runtime, runtime_dir
from kdsharp.apps.live.site import html, named, write_static

__all__ = ["RUNTIME", "blueprint", "fetch_runtime", "html", "named", "runtime_dir", "write_static"]
