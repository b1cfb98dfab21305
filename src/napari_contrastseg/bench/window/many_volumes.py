"""How long the window stops for a session with many open volumes.

Run alone as ``python -m napari_contrastseg.bench.window.many_volumes RESULT``.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

from napari_contrastseg.bench.measure.prediction import CLASSES, untrained_model
from napari_contrastseg.io.cohort import Cohort
from napari_contrastseg.io.dataset import Case
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session.packed_proposals import Proposals
from napari_contrastseg.session.rounds import Round, RoundInfo
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.locations import HOME_VARIABLE
from napari_contrastseg.session.volume_record import Proposal
from napari_contrastseg.ui.dock import ContrastSegWidget
from napari_contrastseg.ui.tour.memory import remember

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_contrastseg.learning.models.model import Model

#: Cases that are open, each with an image, ink and a proposal; so many are shown before
#: the session is left. They are small: the window's work counts, not the voxels'.
VOLUMES: Final = 12
SHOWN: Final = 6
SHAPE: Final = (10, 48, 48)
NAMES: Final = tuple(f"case {number:02}" for number in range(VOLUMES))


def measure_volumes() -> dict[str, Any]:
    """Measure with each volume shown once: layers, switches, a round, *Open*, *New*.

    Of each act the seconds by the clock and those that the window's thread worked,
    without the work that goes on in other threads; of switches the median.
    """
    viewer = napari.Viewer(show=True)
    widget = ContrastSegWidget(viewer)
    widget.asks_before_leaving = False
    viewer.window.add_dock_widget(widget, name="ContrastSeg", area="right")
    workspace, saving = widget.workspace, widget.session_controller
    for source in (widget.live_answers, widget.sources, widget.background):
        source.close()
    model = untrained_model()
    workspace.replace(_session(model))

    def show(*names: str) -> list[dict[str, float]]:
        acts = [partial(workspace.choose_volume, name) for name in names]
        return [_timed(widget, act) for act in acts]

    found: dict[str, Any] = {
        "volumes": VOLUMES,
        "first_shown": _median(show(*NAMES)),
        "layers": len(viewer.layers),
        "shown_again": _median(show(*NAMES[-2:] * 3)),
    }
    found["round"] = _timed(widget, lambda: _propose(workspace.session, model))
    show(*NAMES[:SHOWN])
    with TemporaryDirectory() as folder:
        saving.save(Path(folder) / "kept")
        workspace.work.finish()
        found["open"] = _timed(widget, lambda: saving.open(Path(folder) / "kept"))
        show(*NAMES[:SHOWN])
        found["new"] = _timed(widget, saving.begin_new)
        widget.shut_down()
    viewer.close()
    return found


def _session(model: Model) -> Session:
    """Make a session of a cohort's cases, all of them open and proposed for."""
    session = Session()
    cases = tuple(Case(name, (Path(name),), None) for name in NAMES)
    session.set_cohort(Cohort(Path(), cases))
    for number, name in enumerate(NAMES):
        session.add_volume(replace(phantom(number, SHAPE).volume, id=name))
    for _ in range(CLASSES):
        session.add_class()
    _propose(session, model)
    return session


def _propose(session: Session, model: Model) -> None:
    """End a round, as if it had been learned."""
    number = len(session.rounds) + 1
    labels, sure = np.ones(SHAPE, np.uint8), np.full(SHAPE, 0.95, np.float16)
    found = {name: Proposal(number, labels.copy(), sure) for name in session.records}
    info = RoundInfo(number, "supervised", 0, 0.0)
    session.add_round(Round(info, model, Proposals(found)))


def _timed(widget: ContrastSegWidget, act: Callable[[], object]) -> dict[str, float]:
    """Do something and wait until the window has drawn what came of it."""
    QApplication.processEvents()
    began, worked = time.perf_counter(), time.thread_time()
    act()
    widget.workspace.work.finish()
    QApplication.processEvents()
    wall, cpu = time.perf_counter() - began, time.thread_time() - worked
    return {"wall_s": round(wall, 3), "cpu_s": round(cpu, 3)}


def _median(times: list[dict[str, float]]) -> dict[str, float]:
    return {k: round(statistics.median(t[k] for t in times), 3) for k in times[0]}


if __name__ == "__main__":
    app = QApplication.instance() or QApplication([])
    with TemporaryDirectory() as home:
        os.environ[HOME_VARIABLE] = home
        remember()  # nobody is there to take the tour
        measured = measure_volumes()
    Path(sys.argv[1]).write_text(json.dumps(measured))
