"""A browser extension that sharpens the videos of a page in place; the network runs in the browser, as on `live`."""

from kdsharp.apps.extension.writing import STUDENTS, write_extension

__all__ = ["STUDENTS", "write_extension"]
