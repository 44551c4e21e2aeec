"""What using a student costs beside milliseconds: the start of a program, and its memory.

Both are measured in a process of its own, because this one has long loaded everything.
"""

import json
import subprocess
import sys

from kdsharp.errors import KdsharpError

_PROGRAM = """
import json, pathlib, resource, sys, time
start = time.perf_counter()
import numpy, kdsharp
name, engine, height, width = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
ready = kdsharp.load_student(name, "cpu", engine)
small = numpy.zeros((256, 256, 3), numpy.uint8)
ready(small)
cold = time.perf_counter() - start
frame = numpy.zeros((int(height // ready.scale), int(width // ready.scale), 3), numpy.uint8)
ready(frame)
if (status := pathlib.Path("/proc/self/status")).exists():  # there, ru_maxrss also counts the parent before exec
    peak = next(int(line.split()[1]) * 1024 for line in status.open() if line.startswith("VmHWM"))
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"cold_s": round(cold, 3), "memory_mb": round(peak / 1e6, 1), "torch": "torch" in sys.modules}))
"""


def measure(student: str, engine: str, size: tuple[int, int] = (1080, 1920)) -> dict[str, float | bool]:
    """`cold_s`: seconds from a running Python to a first 256x256 picture; `memory_mb`: peak, with a frame of `size`.

    `torch` says whether PyTorch was loaded. An export or compilation that first use makes happens before the clock
    starts. Raises KdsharpError where the student or engine cannot be used, or on Windows, which does not tell the peak.
    """
    if sys.platform == "win32":
        raise KdsharpError("The memory of a process cannot be measured on Windows: leave the footprint out.")
    command = [sys.executable, "-c", _PROGRAM, student, engine, *map(str, size)]
    for _ in range(2):  # the first run exports, and reads the packages from disk
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise KdsharpError(
                f"'{student}' with '{engine}' did not run: {done.stderr.strip().splitlines()[-1]}"
            )
    return json.loads(done.stdout.splitlines()[-1])
