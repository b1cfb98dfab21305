"""When a checkpoint is due: soon at the beginning, later less often."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from napari_contrastseg.learning.training import checkpoint
from napari_contrastseg.learning.training.checkpoint import Checkpoints

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from napari_contrastseg.learning.training.checkpoint import State


def test_a_young_run_loses_little_when_it_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr(checkpoint, "time", clock)
    kept = Checkpoints(tmp_path, "run", lambda: False)
    state = cast("State", None)  # not written: the folder is not ours
    last, lost = 100.0, []
    while now[0] < 300:
        now[0] += 0.5
        if kept.due:
            lost.append((now[0] - last) / (now[0] - 100))
            kept.save(state)
            last = now[0]
        assert now[0] - last <= checkpoint.EVERY_SECONDS
        if now[0] > 110:
            assert now[0] - last <= max(0.3 * (now[0] - 100), 3.5)
    assert 10 < len(lost) < 30
