"""Families of networks: recipes know those that are there, and others can be added."""

import subprocess
import sys

import pytest
import torch

from kdsharp import recipes, student
from kdsharp.errors import KdsharpError
from kdsharp.student.folded import FoldedNetwork


def test_recipes_know_the_options_of_each_family_before_it_is_imported() -> None:
    """They are read without PyTorch, so they keep a table of their own: it has to be what the classes say."""
    program = """
import copy
from kdsharp.recipes import FAMILIES
known = copy.deepcopy(FAMILIES)
import kdsharp.student
assert known == FAMILIES and list(known) == list(FAMILIES), (known, FAMILIES)
assert set(known) == set(kdsharp.student.FAMILIES)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_option_without_default_is_named() -> None:
    with pytest.raises(KdsharpError, match="'deep' has no default for depth"):
        student.register("deep", lambda depth, scale=1, colour="rgb": None)
    assert "deep" not in student.FAMILIES and "deep" not in recipes.FAMILIES


@pytest.mark.parametrize("family", student.FAMILIES)
def test_every_family_is_a_folded_network_that_says_what_it_takes(family: str) -> None:
    network = student.build(recipes.Network(family))
    assert isinstance(network, FoldedNetwork)
    planes = torch.rand(1, student.CHANNELS[network.colour], 2 * network.multiple + 1, 3 * network.multiple)
    with torch.no_grad():
        result = network(planes)
    assert result.shape[-2:] == (planes.shape[2] * network.scale, planes.shape[3] * network.scale)
    assert isinstance(network.last, torch.nn.Conv2d)
