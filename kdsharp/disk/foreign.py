"""Networks in files of other programs: what a file really is, and the weights in what trainers wrap around them.

No code in a file is run: weights come from safetensors or through PyTorch's restricted unpickler. PyTorch is imported
by what needs it only.
"""

from __future__ import annotations

import importlib.util
import logging
import pickle
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdsharp.errors import KdsharpError, quiet

if TYPE_CHECKING:
    from spandrel import ModelDescriptor
    from torch import Tensor

log = logging.getLogger(__name__)

_AGAIN = "download the file itself again"
_GIVE = "give its PyTorch weights (.pth, .ckpt or .safetensors)"
# How files begin that are taken for weights by their name.
_SIGNATURES = {
    b"version https://git-lfs": "is a Git LFS pointer and not the file: run `git lfs pull`, or download the file",
    b"\x1f\x8b": "is packed by gzip: unpack it, and give the network in it",
    b"7z\xbc\xaf": "is packed by 7-Zip: unpack it, and give the network in it",
    b"Rar!": "is packed by RAR: unpack it, and give the network in it",
    b"\x89HDF": f"is an HDF5 file, as Keras writes them: {_GIVE}",
    b"GGUF": f"is a GGUF file: {_GIVE}",
    b"{": f"is JSON text: {_AGAIN}",
}
# Where trainers put weights, averaged ones first, which are the better ones.
_WRAPPERS = (
    *("params_ema", "params-ema", "model_ema", "ema_state_dict", "ema"),
    *("params", "state_dict", "model_state_dict", "model", "net", "network", "generator"),
)
_DEEPEST = 4


def mistaken(path: Path) -> str | None:
    """What a file is that holds no weights, as the end of a sentence with what to do; None if it may hold some.

    Raises KdsharpError if it cannot be read.
    """
    try:
        with open(path, "rb") as handle:
            start = handle.read(512)
    except OSError as error:
        raise KdsharpError(f"{path} cannot be read ({error.strerror}): check the file.") from error
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not start:
        return f"is empty: {_AGAIN}"
    if text.startswith(b"<"):
        return f"is a web page and not the file that it links to: {_AGAIN}"
    if start[4:8] == b"TFL3":
        return f"is a LiteRT file: {_GIVE}"
    if start[:1] == b"\x08" and start[1:2] < b"\x20" and start[2:3] in (b"\x12", b"\x1a", b"\x22", b"\x3a"):
        return f"is an ONNX file: {_GIVE}"
    for signature, meaning in _SIGNATURES.items():
        if start.startswith(signature):
            return meaning
    if start.startswith(b"PK"):
        return _mistaken_archive(path)
    # What is left are pickles, as PyTorch wrote before 2020, and safetensors.
    return None if start.startswith(b"\x80") or is_safetensors(path) else f"holds no network: {_GIVE}"


def is_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors do: the length of a header in eight bytes, and the header, which is JSON."""
    with open(path, "rb") as handle:
        return handle.read(9)[5:] == b"\0\0\0{"


def load(path: Path) -> ModelDescriptor:
    """The network in a file, on the CPU, its architecture recognised from its weights by spandrel.

    It may be wrapped as Lightning, torch.compile, DataParallel and averaging do. Raises KdsharpError that says what the
    file is instead, or that its architecture is not known.
    """
    has_extra = importlib.util.find_spec("spandrel_extra_arches") is not None
    with quiet():  # PyTorch announces the end of what spandrel calls while it is imported
        from spandrel import ModelLoader

        if has_extra:
            import spandrel_extra_arches  # Restormer and others, whose own licences restrict commercial use

            spandrel_extra_arches.install(ignore_duplicates=True)
    weights = read_weights(path)
    for inside, candidate in _candidates(weights):
        try:
            found = ModelLoader(device="cpu").load_from_state_dict(candidate)
        except (
            Exception
        ) as error:  # spandrel's architectures raise their own kinds for weights that are not theirs
            log.debug("%s, weights under '%s': %s", path, inside, error)
        else:
            if inside:
                log.info("%s: the weights under '%s' are taken", path, inside)
            return found
    if not has_extra and any("encoder_level1." in name for name in weights):
        raise KdsharpError(
            f"{path} holds a Restormer: run `pip install 'kdsharp[restormer]'`, and try again."
        )
    raise KdsharpError(f"{path} holds no network that is known: give an architecture that spandrel lists.")


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors by name in a checkpoint, without what a trainer wraps around them; no code in it is run.

    Raises KdsharpError for any other file, and for one that is damaged.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if reason := mistaken(path):
        raise KdsharpError(f"{path} {reason}.")
    try:
        if is_safetensors(path):
            state = load_file(path)
        else:
            with warnings.catch_warnings(), open(path, "rb") as handle:
                warnings.simplefilter("ignore")  # of old pickles
                state = torch.load(handle, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported global" in str(error) or "Unsupported class" in str(error):
            raise KdsharpError(
                f"{path} holds Python objects beside its weights, which could run code and are not read: save its "
                "state dict alone (torch.save(network.state_dict(), ...))."
            ) from error
        raise KdsharpError(f"{path} holds no network that can be read: {_AGAIN}.") from error
    except SafetensorError as error:
        raise KdsharpError(f"{path} is cut off or damaged: {_AGAIN}.") from error
    except Exception as error:  # the restricted unpickler stumbles over strange bytes in a dozen ways
        raise KdsharpError(f"{path} is cut off, damaged or no network: {_AGAIN}.") from error
    weights = _unwrapped(state)
    if not weights:
        raise KdsharpError(f"{path} holds no network: give a file with the weights of one.")
    return weights


def _mistaken_archive(path: Path) -> str | None:
    """The same for zip archives, which PyTorch's own files are too."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.partition("/")[2] for name in archive.namelist()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError):
        return f"is cut off or damaged: {_AGAIN}"
    if "constants.pkl" in names:
        return "may hold a program (TorchScript): save its state dict as .pth or .safetensors instead"
    return (
        None if "data.pkl" in names else "is an archive of other files: unpack it, and give the network in it"
    )


def _unwrapped(state: Any, depth: int = 0) -> dict[str, Tensor]:
    """The tensors of the innermost state dict."""
    from torch import Tensor

    if not isinstance(state, dict) or depth > _DEEPEST:
        return {}
    inner = [state[name] for name in _WRAPPERS if isinstance(state.get(name), dict)]
    if not inner and len(state) == 1:
        inner = list(state.values())
    for part in inner:
        if found := _unwrapped(part, depth + 1):
            return found
    return {
        name: value for name, value in state.items() if isinstance(name, str) and isinstance(value, Tensor)
    }


def _candidates(weights: dict[str, Tensor], inside: str = "", depth: int = 0) -> Iterator[tuple[str, dict]]:
    """The weights under their own names, then those of each part of the model, averaged ones first.

    A trainer's module holds the network beside others (a discriminator, a loss), so that each of its names begins with
    that of its part: `net_g.`, `model.`, `module.`. Gives (name of the part, weights).
    """
    if not depth:
        # torch.compile's prefix stands anywhere in a name.
        weights = {name.replace("_orig_mod.", ""): value for name, value in weights.items()}
    yield inside, weights
    if depth == _DEEPEST:
        return
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in weights.items():
        part, _, rest = name.partition(".")
        if rest:
            parts.setdefault(part, {})[rest] = value
    for part in sorted(parts, key=lambda name: ("ema" not in name, -len(parts[name]))):
        if len(parts[part]) > 2:  # not a single layer
            yield from _candidates(parts[part], f"{inside}{part}.", depth + 1)
