"""One file a family of networks. Whatever lies here registers itself: a new file is all that a new family needs."""

from importlib import import_module
from pkgutil import iter_modules

for _found in iter_modules(__path__):
    import_module(f"{__name__}.{_found.name}")
