"""What a first image needs is loaded before, and is what napari then finds."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pint
from vispy.visuals.line.dash_atlas import DashAtlas, _make_pattern

from napari_contrastseg.ui import warm_up as module
from napari_contrastseg.ui.warm_up import warm_up

_LOADED = """
import json, sys
import pint
from napari_contrastseg.ui.warm_up import LIBRARIES, warm_up
before = pint.application_registry.get()
warm_up().join()
now = pint.application_registry.get()
from napari.layers import Labels
import numpy as np
layer = Labels(np.zeros((4, 5), np.uint8), units=("mm", "mm"))
kept = layer.units[0]._REGISTRY is now
loaded = all(library in sys.modules for library in LIBRARIES)
print(json.dumps([loaded, now is before, kept]))
"""


def test_the_table_of_units_is_ready_before_the_first_layer() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOADED], check=True, capture_output=True, text=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [True, False, True]


def test_a_table_of_units_that_is_in_use_stays() -> None:
    """Units of two tables do not go together."""
    table: Any = pint.application_registry  # pint gives its methods no types
    unit, before = table.mm, table.get()
    module._load()
    assert table.get() is before
    assert unit._REGISTRY is before


def test_the_dashes_of_lines_are_ready() -> None:
    warm_up().join()
    made = _make_pattern.cache_info().misses
    DashAtlas()
    assert _make_pattern.cache_info().misses == made


_CLOSED = """
import threading, time
from napari_contrastseg.ui import warm_up as module
inside = threading.Event()
def load(name):
    if name == "second":
        inside.set()
        while threading.main_thread().is_alive():
            time.sleep(0.01)
    print(name, flush=True)
module.LIBRARIES, module.import_module = ("first", "second", "third"), load
module.warm_up()
inside.wait()
"""


def test_a_program_that_ends_waits_for_the_library_at_hand_alone() -> None:
    """Cut off in the middle of one, the thread ended the program with a crash."""
    done = subprocess.run(
        [sys.executable, "-c", _CLOSED], check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == ["first", "second"]
