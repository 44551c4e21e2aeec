"""What tests of training share."""

import dataclasses

import pytest

from kdsharp import recipes
from kdsharp.recipes import Network, Recipe


@pytest.fixture
def small_call() -> Recipe:
    """`call-s` with a student of eight channels, which begins with nothing; tests add losses, training and store."""
    small = Network("student", {"scale": 1, "unshuffle": 2, "channels": 8, "body": 2, "colour": "luma"})
    return dataclasses.replace(recipes.preset("call-s"), student=small, start=None)
