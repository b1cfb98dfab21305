"""How long the package and its dock take to start, each in a process of its own.

As where it is installed, Python finds its bytecode: a run before writes it.

Run as ``python -m napari_contrastseg.bench.window.startup RESULT``.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

#: Processes of each kind; the middle one counts.
RUNS: Final = 5
#: Prints the seconds of an import.
IMPORT: Final = (
    "import sys, time; begun = time.perf_counter(); import napari_contrastseg; "
    "print(time.perf_counter() - begun)"
)
#: Prints the seconds from the menu entry to a drawn dock, in a viewer that is shown.
DOCK: Final = """
import sys, time
import napari
from qtpy.QtWidgets import QApplication
viewer = napari.Viewer()
for _ in range(20):
    QApplication.processEvents()
    time.sleep(0.02)
begun, worked = time.perf_counter(), time.process_time()
viewer.window.add_plugin_dock_widget("napari-contrastseg", "Annotate")
QApplication.processEvents()
took = time.perf_counter() - begun
print(took, time.process_time() - worked, int("torch" in sys.modules))
viewer.close()
"""


def measure() -> dict[str, object]:
    """Measure both.

    Returns
    -------
    dict
        ``import_s`` of the package and ``dock_s`` from the menu entry to the drawn
        dock, and ``dock_cpu_s``, what of them a core worked; medians;
        ``dock_loads_torch``; ``runs``; ``wall_s`` of everything.
    """
    begun = time.perf_counter()
    with TemporaryDirectory() as bytecode:
        _printed(DOCK, bytecode)
        imports = [float(_printed(IMPORT, bytecode)[0]) for _ in range(RUNS)]
        docks = [_printed(DOCK, bytecode) for _ in range(RUNS)]
    return {
        "import_s": round(statistics.median(imports), 4),
        "dock_s": round(statistics.median(float(words[0]) for words in docks), 3),
        "dock_cpu_s": round(statistics.median(float(words[1]) for words in docks), 3),
        "dock_loads_torch": any(words[2] == "1" for words in docks),
        "runs": RUNS,
        "wall_s": round(time.perf_counter() - begun, 1),
    }


def _printed(code: str, bytecode: str) -> list[str]:
    """Run code in a fresh interpreter; returns the words of its last line."""
    around = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
    around.pop("PYTHONDONTWRITEBYTECODE", None)
    ran = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env=around,
    )
    return ran.stdout.strip().splitlines()[-1].split()


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(measure()), encoding="utf-8")
