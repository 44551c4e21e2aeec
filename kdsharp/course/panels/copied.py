"""The line of code under a panel that makes the settings above it, with a button that copies it."""

import html

# Not read-only: in what cannot be written to, JupyterLab takes keys for its commands (D twice deletes the cell).
_LINE = """<div style="display: flex; gap: 6px; line-height: 1.5">
<input aria-label="these settings as code" title="These settings as code: paste it into a cell." value="{code}"
 style="flex: 1; min-width: 0; font-family: monospace; padding: 2px 6px" onfocus="this.select()">
<button class="jupyter-button" style="width: 70px; height: 28px" title="Copy the line of code."
 onclick="this.previousElementSibling.select(); document.execCommand('copy')">Copy</button></div>"""


def copied_line(code: str) -> str:
    """HTML: the code in a field that selects itself, and a button that copies it.

    It needs no kernel, and no permission as the newer clipboard of browsers does (Colab shows outputs in a frame of
    another origin, which has none).
    """
    return _LINE.format(code=html.escape(code)) if code else ""
