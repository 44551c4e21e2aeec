"""The job array of docs/scale.md, as it stands there, run as Slurm runs a task of it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from kdsharp.apps.manifest import Shard

ROOT = Path(__file__).resolve().parents[2]
TASK = 3


def blocks() -> list[str]:
    """The script, and the lines that hand it in and look at what came of it."""
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    found = [block for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "sbatch" in block.lower()]
    assert len(found) == 2
    return found


def test_a_task_does_its_shard_and_no_other(tmp_path: Path) -> None:
    """With the threads that it was given; the lines below the script count what is made and name what failed."""
    script, handed_in = blocks()
    head, *lines = script.splitlines()
    options = [line for line in lines if line.startswith("#SBATCH ")]
    assert (
        head == "#!/bin/sh" and lines[: len(options)] == options
    )  # after a command, Slurm reads no more of them
    (last,) = re.findall(r"--array=1-(\d+)\b", "\n".join(options))
    part, every = Shard(TASK, int(last)), [f"{number}.png" for number in range(1000)]
    mine = [name for name in every if part.holds(name)][:3]
    others = [name for name in every if not part.holds(name)][:3]
    for name in (*mine[:2], *others):
        Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / name)
    (tmp_path / "list.txt").write_text("\n".join([*mine, *others]))
    (tmp_path / "sharpen.sh").write_text(script)
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "kdsharp").write_text(
        f'#!/bin/sh\necho "$OMP_NUM_THREADS" > threads\nexec "{sys.executable}" -m kdsharp "$@"\n'
    )
    (bin_ / "kdsharp").chmod(0o755)
    given = {"SLURM_ARRAY_TASK_ID": str(TASK), "SLURM_CPUS_PER_TASK": "2", "PYTHONPATH": str(ROOT)}
    how = {"cwd": tmp_path, "env": os.environ | given | {"PATH": f"{bin_}:{os.environ['PATH']}"}}
    assert subprocess.run(["sh", "sharpen.sh"], **how).returncode == 1  # one of the three is not there
    assert {path.name for path in (tmp_path / "OUT").glob("*.png")} == set(mine[:2])
    assert (tmp_path / "threads").read_text() == "2\n"
    told = [line for line in handed_in.splitlines() if "OUT/" in line]
    said = [subprocess.run(["sh", "-c", line], **how, capture_output=True, text=True).stdout for line in told]
    assert said[0].split() == ["6", "2"] and mine[2] in said[1] and said[1].count("\n") == 1
