"""The notebooks' toolbox: `from kdsharp.course import begin, exercises, figures, panels`.

`figures` (matplotlib), `panels` (widgets) and `exercises` are modules, loaded when they are asked for; so is the
`runner` of all notebooks.
"""

from kdsharp.course.start import Start, begin

__all__ = ["Start", "begin"]
