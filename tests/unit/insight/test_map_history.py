"""Recordings of a map."""

from __future__ import annotations

import numpy as np

from napari_contrastseg.insight.map_history import MOST, EmbeddingFrame, Recording
from napari_contrastseg.insight.silhouettes import silhouettes
from tests.kit.tables import groups, table


def test_a_recording_is_thinned_but_keeps_the_latest() -> None:
    recording, voxels = Recording(), table(groups(12))
    scores = silhouettes(voxels.features, voxels.label)
    for number in range(3 * MOST):
        layout = np.full((12, 2), number, np.float32)
        recording.add(
            EmbeddingFrame(number // 500 + 1, f"look {number}", voxels, layout, scores)
        )
    assert len(recording.frames) <= MOST
    places = [int(s.layout[0, 0]) for s in recording.frames]
    assert places == sorted(places)
    assert places[-MOST // 2 :] == list(range(3 * MOST - MOST // 2, 3 * MOST))
    assert recording.frames[0].words == "round 1, look 0"
    assert len(recording.curve()) == len(recording.frames)
