"""What goes wrong out of sight of a notebook's page: read from the kernel's own messages."""

import json
import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from kdsharp.errors import first_line

if TYPE_CHECKING:
    from playwright.sync_api import Page, WebSocket

_TRACEBACK = "Traceback (most recent call last)"
_RAISED = re.compile(re.escape(_TRACEBACK) + r".*?^([A-Za-z_][\w.]*(?:: [^\n]*)?)$", re.S | re.M)


@dataclass
class Watch:
    """What went wrong out of sight: messages of the kernel, and exceptions of the page's own scripts.

    The kernel's messages are read on their way into the page, because JupyterLab hides some of them: what a bare
    callback raises goes to its log console, which nobody opens.
    """

    raised: list[str] = field(default_factory=list)
    text: str = ""
    died: bool = False
    busy: set[str] = field(default_factory=set)  # requests that the kernel works on

    @property
    def rests(self) -> bool:
        """Whether the kernel has nothing to do. What JupyterLab shows is not enough: its last word can be on one of
        several requests."""
        return not self.busy

    def attach(self, page: "Page") -> None:
        """Listen to everything that `page` is going to hear."""
        page.on("pageerror", self._page_error)
        page.on("websocket", self._socket)

    def take(self) -> list[str]:
        """What was raised since the last call, one line each, without repetitions."""
        lines = [*self.raised, *tracebacks(self.text)]
        self.raised, self.text = [], ""
        return list(dict.fromkeys(lines))

    def _page_error(self, error: Exception) -> None:
        if "ResizeObserver loop" not in str(error):  # a warning of the browser, not a mistake
            self.raised.append(f"the page raised {first_line(error)}")

    def _socket(self, socket: "WebSocket") -> None:
        if "/channels" in socket.url:
            socket.on("framereceived", self.hear)

    def hear(self, frame: bytes | str) -> None:
        """Take in one message of a kernel."""
        kind, parent, content = decode(frame)
        if kind == "error":
            self.raised.append(f"{content['ename']}: {first_line(content['evalue'])}")
        elif kind == "stream":
            self.text += content["text"]
        elif kind == "status":
            state = content["execution_state"]
            self.died = self.died or state in ("restarting", "autorestarting", "dead")
            self.busy = {*self.busy, parent} if state == "busy" else self.busy - {parent}


def decode(frame: bytes | str) -> tuple[str, str, dict]:
    """One kernel message's kind, the request that it answers, and its content (for the kinds that `Watch` knows).

    JupyterLab speaks v1.kernel.websocket.jupyter.org: a count, that many offsets (64 bits, little-endian), and between
    them channel, header, parent header, metadata, content and buffers.
    """
    if isinstance(frame, str):
        message = json.loads(frame)
        return message["header"]["msg_type"], message["parent_header"].get("msg_id", ""), message["content"]
    count = int.from_bytes(frame[:8], "little")
    offsets = [int.from_bytes(frame[8 * place : 8 * place + 8], "little") for place in range(1, count + 1)]
    parts = [frame[start:end] for start, end in pairwise(offsets)]
    kind = json.loads(parts[1])["msg_type"]
    content = json.loads(parts[4]) if kind in ("error", "stream", "status") else {}
    return kind, json.loads(parts[2]).get("msg_id", ""), content


def tracebacks(text: str) -> list[str]:
    """What was raised, for every traceback in `text`, whether Python or IPython wrote it."""
    found = [match.strip() for match in _RAISED.findall(text)]
    return found or ["a traceback"] if _TRACEBACK in text else []
