"""How long the embedding dock's answers keep the window's thread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import QApplication

from napari_contrastseg.insight.feature_table import FeatureTable, LabelKind
from napari_contrastseg.insight.map_history import EmbeddingFrame
from napari_contrastseg.insight.silhouettes import silhouettes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_contrastseg.session.session import Session
    from napari_contrastseg.ui.dock import ContrastSegWidget
    from napari_contrastseg.ui.embedding.dock import EmbeddingView

#: Times that each answer is asked for, and numbers of voxels.
TIMES, COUNTS = 20, (2000, 10000)
DIM = 16


def measure_map(
    dock: ContrastSegWidget, session: Session
) -> dict[str, dict[str, float]]:
    """Give the median times of some answers in ms, for each number of voxels."""
    return {str(n): _measured(dock, session, n) for n in COUNTS}


def _measured(
    dock: ContrastSegWidget, session: Session, count: int
) -> dict[str, float]:
    view, linked = dock.embedding, dock.linked
    frames = [_frame(session, count, seed) for seed in range(2)]
    layouts = [s.layout for s in frames]
    dock.embedding_controller.add(frames[0])
    _settle()
    half = np.arange(count // 2)
    nothing = half[:0]
    place = view.map.mapToScene(view.map.rect().center())
    acts: dict[str, Callable[[int], object]] = {
        "frame_ms": lambda i: view.map.move_to(layouts[i % 2]),
        "redraw_ms": lambda i: _drawn(view, layouts[i % 2]),
        "colours_ms": lambda i: view.colour.setCurrentIndex(i % 5),
        "scores_ms": lambda _i: view.show_scores(),
        "find_ms": lambda _i: view.map.at(place),
        "point_ms": linked.point,
        "lasso_ms": lambda i: view.choose(half if i % 2 else nothing),
        "slice_ms": lambda _i: linked.follow(),
    }
    found = {}
    for name, act in acts.items():
        times = []
        for turn in range(TIMES):
            begun = time.perf_counter()
            act(turn)
            times.append(time.perf_counter() - begun)
            _settle()
        found[name] = round(1000 * float(np.median(times)), 2)
    view.choose(nothing)
    return found


def _drawn(view: EmbeddingView, layout: NDArray[np.float32]) -> None:
    view.map.move_to(layout)
    _settle()


def _settle() -> None:
    QApplication.processEvents()


def _frame(session: Session, count: int, seed: int) -> EmbeddingFrame:
    rng = np.random.default_rng(seed)
    (record,) = session.records.values()
    voxels = np.random.default_rng(0)
    place = [voxels.integers(0, n, count) for n in record.volume.shape]
    label = voxels.integers(0, 3, count)
    kind = np.where(np.arange(count) % 2, LabelKind.UNLABELLED, LabelKind.TRUTH)
    features = rng.normal(size=(count, DIM)).astype(np.float32)
    table = FeatureTable(
        (record.volume.id,),
        np.zeros(count, np.int64),
        np.stack(place, axis=1),
        label,
        kind,
        features,
    )
    scores = silhouettes(features[table.known], label[table.known])
    layout = rng.normal(size=(count, 2)).astype(np.float32)
    return EmbeddingFrame(1, f"look {seed}", table, layout, scores)
