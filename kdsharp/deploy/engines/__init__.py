"""One file an engine, or a family of them. Whatever lies here registers itself, a new file is all that a new one needs.

None of them imports PyTorch before it is started.
"""

from importlib import import_module
from pkgutil import iter_modules

for _found in iter_modules(__path__):
    if _found.name != "gpu":  # a part of `torch`, which imports PyTorch at once
        import_module(f"{__name__}.{_found.name}")
