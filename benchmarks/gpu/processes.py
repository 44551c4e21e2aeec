"""The half-hour itself: several processes at once; each writes what it has, and none can spoil another.

A process that is killed, or a machine that is lost, costs the seconds since the last checkpoint.
"""

import logging
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.gpu import figures, plan
from benchmarks.gpu.places import Places
from benchmarks.gpu.plan import Turn

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
GRACE = (
    45.0  # seconds after the deadline in which a process may end by itself: a last validation, a checkpoint
)
LOOK = 0.2  # seconds between two looks at the processes


@dataclass
class HalfHour:
    """Where it writes, what it runs on, and what its processes are told besides (`--recipes FILE`)."""

    places: Places
    device: str
    told: Sequence[str] = ()
    running: dict[str, subprocess.Popen] = field(default_factory=dict)

    def train(self, turns: list[Turn], deadline: float, together: int = plan.TOGETHER) -> None:
        """Train networks in their order, `together` at a time, until all are finished or `deadline` is there."""
        waiting = [turn for turn in turns if not self.places.network(turn.name).is_file()]
        try:
            while (waiting or self.running) and time.time() < deadline + GRACE:
                self._look()
                if time.time() < deadline and len(self.running) < together and (turn := self._ready(waiting)):
                    waiting.remove(turn)
                    self._start(
                        turn.name, "network", turn.name, f"--seconds={turn.seconds}", f"--until={deadline}"
                    )
                elif not self.running and time.time() >= deadline:
                    break
                else:
                    time.sleep(LOOK)
        finally:
            self._stop()

    def take(self, names: list[str], deadline: float) -> None:
        """Take figures one after the other. A job that brings the process down is noted, and the next one follows."""
        try:
            while names and time.time() < deadline:
                self._start("figures", "figure", *names)
                process = self.running["figures"]
                while self.running and time.time() < deadline:
                    self._look()
                    time.sleep(LOOK)
                if not process.returncode or not figures.broken(self.places, self._last_words("figures")):
                    return  # all done, out of time, or broken for another reason
        finally:
            self._stop()

    def _ready(self, waiting: list[Turn]) -> Turn | None:
        """The first that needs none of those that are still to come."""
        to_come = {turn.name for turn in waiting} | self.running.keys()
        return next((turn for turn in waiting if not plan.needed(turn.name) & to_come), None)

    def _start(self, name: str, *words: str) -> None:
        command = [sys.executable, "-m", "benchmarks.gpu", words[0], str(self.places.out), *words[1:]]
        command += ["--work", str(self.places.work), "--device", self.device, *self.told]
        self.places.log(name).parent.mkdir(parents=True, exist_ok=True)
        with self.places.log(name).open("ab") as out:
            self.running[name] = subprocess.Popen(
                command, cwd=ROOT, env=self.places.environment(), stdout=out, stderr=subprocess.STDOUT
            )
        log.info("%s begins", name)

    def _look(self) -> None:
        """Say of those that have ended how."""
        for name, process in list(self.running.items()):
            if process.poll() is not None:
                del self.running[name]
                log.info("%s: %s", name, self._last_words(name))

    def _stop(self) -> None:
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.running.clear()

    def _last_words(self, name: str) -> str:
        lines = self.places.log(name).read_text(encoding="utf-8", errors="replace").splitlines()
        return next((line for line in reversed(lines) if line.strip()), "it ended without a word")
