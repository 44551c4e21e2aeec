"""Where everything lies: `OUT` is small and holds all that is worth carrying home, `WORK` what can be made again."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdsharp.disk import files
from kdsharp.errors import KdsharpError


@dataclass(frozen=True)
class Places:
    """The two folders of a half-hour.

    In `out`: `networks/NAME.safetensors` and `.json` of each network that is finished, `unfinished/NAME.pt` and `.json`
    of each that is not, `figures/NAME.json`, `logs/NAME.txt`. In `work`: the unpacked pack under `data`, target stores,
    runs, exported files.
    """

    out: Path
    work: Path

    @property
    def data(self) -> Path:
        return self.work / "data"

    def network(self, name: str) -> Path:
        return self.out / "networks" / f"{name}.safetensors"

    def unfinished(self, name: str) -> Path:
        return self.out / "unfinished" / f"{name}.pt"

    def figure(self, name: str) -> Path:
        return self.out / "figures" / f"{name}.json"

    def log(self, name: str) -> Path:
        return self.out / "logs" / f"{name}.txt"

    def networks(self) -> list[Path]:
        """Those that are finished, by name."""
        return sorted((self.out / "networks").glob("*.safetensors"))

    def benchmarks(self) -> list[Path]:
        """The folders of benchmarks that the pack brought."""
        return sorted(path for path in (self.data / "benchmarks").glob("*") if path.is_dir())

    def environment(self) -> dict[str, str]:
        """What a process of the half-hour is told: weights lie in the pack, exports and compiled code in `work`."""
        told = {"KDSHARP_ROOT": self.work, "KDSHARP_ASSETS": self.data}
        told |= {"TORCHINDUCTOR_CACHE_DIR": self.work / "compiled", "TRITON_CACHE_DIR": self.work / "triton"}
        told |= {"TQDM_MININTERVAL": 10}  # logs are read afterwards
        left = {name: value for name, value in os.environ.items() if name != "KDSHARP_KEEP"}
        return left | {name: str(path) for name, path in told.items()}


def known(path: Path) -> dict[str, Any]:
    """What a JSON file holds; nothing where there is none, or it is damaged."""
    try:
        return files.read_json(path)
    except KdsharpError:
        return {}


def add(path: Path, **facts: Any) -> None:
    """Put some facts into a JSON file beside those that it holds."""
    files.write_json(path, known(path) | facts)
