#!/usr/bin/env bash
# What `pip install kdsharp` gives: a wheel in a fresh environment, without PyTorch. It sharpens a picture, one of 16
# bits and a folder, to the same bytes as the checkout does, and what needs more says in one sentence which extra that is.
set -euo pipefail
cd "$(dirname "$0")/.."
checkout=$PWD
work=$checkout/build/core
rm -rf "$work"
mkdir -p "$work"
.venv/bin/python -m pip wheel --disable-pip-version-check --quiet --no-deps -w "$work" .
.venv/bin/python -m venv "$work/venv"
.venv/bin/python -m uv pip install --quiet --python "$work/venv/bin/python" -c constraints.txt "$work"/kdsharp-*.whl

cd "$work" # outside the checkout's folder, so that only the installed package can be imported
kdsharp=$work/venv/bin/kdsharp
"$work/venv/bin/python" - <<'PY'
import importlib.util

import cv2
import numpy as np
import tifffile

import kdsharp

for name in ("torch", "torchvision", "skimage", "scipy", "spandrel", "onnx", "matplotlib", "ipywidgets", "nbclient"):
    assert importlib.util.find_spec(name) is None, f"the core brings {name}"
# Enlarged, as a receiver does it: a network with restraint leaves alone what nothing can be done for.
pixels = cv2.resize(np.random.default_rng(0).integers(0, 256, (45, 60, 3), dtype=np.uint8), (120, 90))
kdsharp.write_image("folder/in.png", pixels)
tifffile.imwrite("deep.tif", pixels.astype(np.uint16) * 257, photometric="rgb")
ready = kdsharp.load_student("call-s")
assert ready.engine == "onnx" and ready(pixels).shape == pixels.shape and kdsharp.psnr(ready(pixels), pixels) < 99
PY
"$kdsharp" sharpen folder/in.png out.png
"$kdsharp" sharpen folder/in.png x4.png --student x4
"$kdsharp" sharpen deep.tif deep-out.tif
"$kdsharp" sharpen folder sharp
"$checkout/.venv/bin/kdsharp" sharpen folder/in.png expected.png --engine onnx
cmp out.png expected.png
cmp sharp/in.png expected.png

needs() { # needs EXTRA ARGUMENTS...: the command ends with one line, which names the extra
  local extra=$1 said status=0
  shift
  said=$("$kdsharp" "$@" 2>&1) || status=$?
  if [ "$status" != 2 ] || [ "$(wc -l <<< "$said")" != 1 ] || [[ $said != *"pip install 'kdsharp[$extra]'"* ]]; then
    echo "kdsharp $* ended with $status and said: $said" >&2
    exit 1
  fi
  echo "$said"
}
touch clip.mp4
needs train sharpen folder/in.png more.png --engine torch
needs train sharpen folder/in.png more.png --student call-ceiling
needs openvino sharpen folder/in.png more.png --engine openvino
needs video sharpen clip.mp4 more.mp4
needs train train video-call
needs train targets video-call --folder targets
needs train ablate video-call --photos folder --validation folder
needs train evaluate --student call-s --photos folder
needs train speed --quick
needs train export call-s call-s.tflite
needs course course
needs web web
needs video call clip.mp4 more.mp4
needs camera camera
