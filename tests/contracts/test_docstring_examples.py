"""Examples in the docstrings of losses and networks give what they show."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil

import pytest

from napari_contrastseg.learning import losses, networks

MODULES = sorted(
    module.name
    for package in (losses, networks)
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
)
NEEDS_TRITON = "napari_contrastseg.learning.losses.kernels"


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name: str) -> None:
    if name == NEEDS_TRITON and importlib.util.find_spec("triton") is None:
        pytest.skip("Triton is missing")
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    examples = [
        example
        for name in MODULES
        if name != NEEDS_TRITON
        for test in finder.find(importlib.import_module(name))
        for example in test.examples
    ]
    assert len(examples) >= 12
