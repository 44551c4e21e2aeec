#!/usr/bin/env bash
# The course with Colab's own versions (tools/colab-versions.txt), as a visitor meets it there: kdsharp is absent, the
# bootstrap cell of notebook 00 installs it and must leave every version as it was, then all notebooks run.
#   PYTHON313=/path/to/python3.13 make colab COURSE="--only 00 05"
set -euo pipefail
cd "$(dirname "$0")/.."
checkout=$PWD
python313=${PYTHON313:-python3.13}
venv=$checkout/.venv-colab
work=$checkout/build/colab

if ! [ "$venv/.installed" -nt tools/colab-versions.txt ]; then
  rm -rf "$venv"
  "$python313" -m venv "$venv"
  .venv/bin/python -m uv pip install --quiet --python "$venv/bin/python" -r tools/colab-versions.txt
  touch "$venv/.installed"
fi
"$venv/bin/python" -m pip uninstall --disable-pip-version-check --quiet --yes kdsharp

# Outside the checkout's folder, so that only the installed package can be imported.
rm -rf "$work"
mkdir -p "$work"
cp -r notebooks "$work/notebooks"
"$venv/bin/python" tools/shorten.py "$work/notebooks"
cd "$work"
"$venv/bin/python" - > bootstrap.py <<'PY'
import json
from pathlib import Path

cells = json.loads(next(Path("notebooks").glob("00_*.ipynb")).read_text(encoding="utf-8"))["cells"]
print("".join(next(cell for cell in cells if cell["cell_type"] == "code")["source"]))
PY
"$venv/bin/python" -m pip freeze | sort > before.txt
extras=$(grep -o 'kdsharp\[[a-z,]*\]' bootstrap.py)
COLAB_RELEASE_TAG=1 KDSHARP_SOURCE="$checkout${extras#kdsharp}" "$venv/bin/python" bootstrap.py
"$venv/bin/python" -m pip freeze | sort > after.txt
if changed=$(comm -23 before.txt after.txt) && [ -n "$changed" ]; then
  echo "The bootstrap cell replaced versions that Colab ships:" >&2
  echo "$changed" >&2
  exit 1
fi
echo "The bootstrap cell replaced none of $(wc -l < before.txt) packages and added $(comm -13 before.txt after.txt | wc -l)."
COLAB_RELEASE_TAG=1 KDSHARP_ROOT=$work "$venv/bin/python" -m kdsharp course --profile quick "$@"
