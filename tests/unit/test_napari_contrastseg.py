"""How long OpenMP's threads spin: set before torch is loaded, never over a person's."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

LOOK = "import os; print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"


def said(code: str, **chosen: str) -> str:
    """Run code in a fresh process in which a person chose what is given."""
    free = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}
    environment = {k: v for k, v in os.environ.items() if k not in free} | chosen
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; {LOOK}"],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    return done.stdout.strip()


def test_the_package_bounds_how_long_threads_spin_before_torch_is_loaded() -> None:
    """Whichever of its modules is asked for: Python runs this one first."""
    assert said("import napari_contrastseg") == "1000 False"


@pytest.mark.parametrize(
    ("chosen", "left"),
    [
        ({"OMP_WAIT_POLICY": "active"}, "None False"),
        ({"GOMP_SPINCOUNT": "7"}, "7 False"),
    ],
)
def test_what_a_person_chose_stays(chosen: dict[str, str], left: str) -> None:
    assert said("import napari_contrastseg", **chosen) == left


def test_nothing_is_set_once_torch_has_read_it() -> None:
    assert said("import torch, napari_contrastseg") == "None True"
