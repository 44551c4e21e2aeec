"""What became of each file, a line of JSON each: appended, so that runs that follow one another share a log."""

import json
from pathlib import Path
from typing import Any

from kdsharp.disk import files


class Journal:
    """The log at `path`, for one process at a time. Half a last line, which a kill may leave, is cut off.

    `done` are the files whose last line says so.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.done = path, set()
        with files.writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "a+b") as log:
                log.seek(0)
                whole = 0
                for line in log:
                    if not line.endswith(b"\n"):
                        log.truncate(whole)
                        break
                    whole += len(line)
                    self._remember(line)

    def write(self, path: str, status: str, **facts: Any) -> None:
        """Append what became of a file: `done` or `failed`, and what else is known. On the disk as one write."""
        line = json.dumps({"path": path, "status": status} | facts) + "\n"
        with files.writing(self.path), open(self.path, "ab", buffering=0) as log:
            log.write(line.encode())
        self._remember(line.encode())

    def _remember(self, line: bytes) -> None:
        try:
            row = json.loads(line)
            name, done = row["path"], row["status"] == "done"
        except (ValueError, KeyError, TypeError):  # not ours, or a disk that lost power
            return
        (self.done.add if done else self.done.discard)(name)
