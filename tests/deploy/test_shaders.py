"""Shaders are written without PyTorch, whole or not at all, of networks that can be one; their cost is what they do."""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from calls import save, shaded
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from kdsharp import student
from kdsharp.apps.cli import main
from kdsharp.deploy import shaders
from kdsharp.deploy.shaders import plain
from kdsharp.deploy.shaders.cost import cost, sentence
from kdsharp.disk import checkpoints
from kdsharp.errors import KdsharpError


@pytest.mark.parametrize("name", shaded())
def test_the_cost_is_what_the_text_does(name: str) -> None:
    network = plain.read(checkpoints.find(name))
    player, browser = (shaders.text(checkpoints.find(name), ending) for ending in (".glsl", ".wgsl"))
    height, width = (int(side * network.scale) for side in (32, 48))
    found = cost(network, height, width)
    assert found.passes == player.count("//!HOOK LUMA") == browser.count("@compute")
    assert found.multiply_adds == student.multiply_adds(student.load_network(name)[0], 32, 48)
    places = 32 * 48 // network.fold**2
    blocks = player.split("//!HOOK")
    shared = sum(block.count("texelFetch") for block in blocks if "shared vec4" in block)
    stored = sum(block.count("imageStore") for block in blocks if "FOLDED" in block or "shared vec4" in block)
    beside = height * width * (5 if network.scale == 1.5 else 2)
    judged = network.restraint and places / 4 * 2 + height * width
    assert found.reads == places * (network.fold**2 + shared * 100 / 64) + beside + judged
    assert found.writes == places * (stored - bool(network.restraint)) + height * width
    assert sentence(network) in player and sentence(network) in browser


def test_a_page_finds_what_it_needs_in_the_header() -> None:
    text = shaders.text(checkpoints.find("call-x1.5"), ".wgsl")
    facts = json.loads(re.search(r"^// kdsharp: (.+)$", text, re.MULTILINE)[1])
    assert (facts["name"], facts["scale"], facts["fold"], facts["vectors"]) == ("call-x1.5", 1.5, 2, 6)
    assert list(facts["passes"]) == re.findall(r"@compute .*\nfn (\w+)\(", text)


@pytest.mark.parametrize("ending", shaders.WRITERS)
def test_export_writes_shaders_without_pytorch(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"new folder/mine{ending}"
    program = f"""
import sys
for name in ("torch", "onnx", "scipy"):
    sys.modules[name] = None
from kdsharp.apps.cli import main
sys.exit(main(["export", "call-xs", {str(path)!r}]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = path.read_text()
    assert text == shaders.text(checkpoints.find("call-xs"), ending) and "MIT" in text.splitlines()[1]
    assert checkpoints.digest(checkpoints.find("call-xs")) in text.splitlines()[2]
    assert (
        main(["export", "call-s", str(path)])
        == main(["export", "call-s", str(path), "--int8", "--force"])
        == 2
    )
    assert path.read_text() == text and list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"colour": "rgb"}, "colours"),
        ({"attention": True}, "no plain student"),
        ({"branches": 2}, "no plain student"),
        ({"channels": 48}, "48 channels"),
        ({"unshuffle": 8}, "64 channels"),
    ],
)
def test_other_networks_are_refused(options: dict, why: str, tmp_path: Path) -> None:
    with pytest.raises(KdsharpError, match=why):
        plain.read(save(tmp_path / "mine.safetensors", **options))
    with pytest.raises(KdsharpError, match="no plain student"):
        plain.read(checkpoints.find("call-ceiling"))


def test_damage_is_seen(tmp_path: Path) -> None:
    source = save(tmp_path / "mine.safetensors")
    assert len(plain.read(source).convolutions) == 3
    weights = load_file(source)
    with safe_open(source, "pt") as handle:
        facts = handle.metadata()
    for name, value in (
        ("layers.0.weight", torch.full((8, 4, 3, 3), torch.nan)),
        ("layers.0.bias", torch.zeros(9)),
    ):
        save_file(weights | {name: value}, tmp_path / "bad.safetensors", facts)
        with pytest.raises(KdsharpError, match="bad"):
            plain.read(tmp_path / "bad.safetensors")
    save_file({"layers.0.bias": torch.zeros(8)}, tmp_path / "bad.safetensors", facts)
    with pytest.raises(KdsharpError, match="bad"):
        plain.read(tmp_path / "bad.safetensors")


def test_a_file_s_name_writes_no_code(tmp_path: Path) -> None:
    source = save(tmp_path / "mine\n!HOOK MAIN\n*.safetensors")
    for ending in shaders.WRITERS:
        head = shaders.text(source, ending).partition("\n\n")[0]
        assert all(line.startswith("//") and not line.startswith("//!") for line in head.splitlines())


@pytest.mark.parametrize("groups", range(1, 11))
def test_channels_lie_beside_each_other(groups: int) -> None:
    columns, rows = plain.grid(groups)
    assert columns * rows == groups and columns >= rows


@pytest.mark.parametrize("name", shaded())
def test_every_weight_is_there(name: str) -> None:
    """The tests in player and browser run some of the published networks; what differs in the others are weights."""
    weights, _ = checkpoints.read(checkpoints.find(name))
    layers = [weights[f"layers.{number}.weight"].numpy() for number in range(0, len(weights), 2)]
    player, browser = (shaders.text(checkpoints.find(name), ending) for ending in (".glsl", ".wgsl"))
    blocks = [block for block in player.split("//!HOOK") if "shared vec4" in block]
    learnt = np.frombuffer(base64.b64decode(browser.rpartition("weights: ")[2]), "<f4")
    counts = json.loads(re.search(r"^// kdsharp: (.+)$", browser, re.MULTILINE)[1])["weights"]
    parts = np.split(learnt, np.cumsum(counts)[:-1])
    for number, (layer, block, part) in enumerate(zip(layers, blocks, parts, strict=True)):
        bias = weights[f"layers.{2 * number}.bias"].numpy()
        outputs, inputs = layer.shape[:2]
        assert np.allclose(written(block, *layer.shape[:2]), layer, rtol=1e-4, atol=1e-12)
        groups_in, groups_out = -(-inputs // 4), -(-outputs // 4)
        assert np.array_equal(part[:outputs], bias)
        matrices = part[4 * groups_out :].reshape(groups_in, 3, 3, groups_out, 4, 4)
        for place in np.ndindex(outputs, inputs, 3, 3):
            output, input_, row, column = place
            found = matrices[input_ // 4, row, column, output // 4, input_ % 4, output % 4]
            assert found == layer[place]


def written(block: str, outputs: int, inputs: int) -> np.ndarray:
    """The weights (outputs, inputs, 3, 3) that the lines of a pass multiply by."""
    found = np.zeros((-(-outputs // 4) * 4, -(-inputs // 4) * 4, 3, 3))
    for line in block.splitlines():
        if near := re.search(r"v = given\[(\d+)\]\[y \+ (\d)\]\[x \+ (\d)\]", line):
            group, row, column = map(int, near.groups())
        elif product := re.search(r"sum(\d+) \+= (mat4|vec4)\((.+)\) \* v", line):
            values = np.array([float(value) for value in product[3].split(",")]).reshape(-1, 4)
            output = 4 * int(product[1])
            found[output : output + 4, 4 * group : 4 * group + len(values), row, column] = values.T
    return found[:outputs, :inputs]
