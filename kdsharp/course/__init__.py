"""The notebooks' toolbox: `from kdsharp.course import begin, exercises, figures, panels`.

`figures` (matplotlib), `panels` (widgets) and `exercises` are modules, loaded when they are asked for; so is the
`runner` of all notebooks.
"""

from kdsharp.course.lessons import enlarged, fixed_degradation, photograph, recorded
from kdsharp.course.start import Start, begin
from kdsharp.disk.checkpoints import find as network_file

__all__ = ["Start", "begin", "enlarged", "fixed_degradation", "network_file", "photograph", "recorded"]
