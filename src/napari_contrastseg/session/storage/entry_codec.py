"""Journal entries as JSON-ready values and arrays."""

from __future__ import annotations

from typing import Any

from napari_contrastseg.io.json import to_plain
from napari_contrastseg.session.events import (
    AxisChosen,
    Entry,
    RoundAdded,
    ThresholdSet,
    VolumeAdded,
    VolumeRemoved,
    WeightsKept,
)
from napari_contrastseg.session.storage.schema import describe


def encode_entry(entry: Entry) -> tuple[Any, ...]:
    """Give kind, action and values of an entry that is no action of the person."""
    found: tuple[str, Any]
    if isinstance(entry, VolumeAdded):
        found = "volume", to_plain(describe(entry.record))
    elif isinstance(entry, VolumeRemoved):
        found = "removed", entry.volume_id
    elif isinstance(entry, AxisChosen):
        found = "axis", entry.axis
    elif isinstance(entry, ThresholdSet):
        found = "threshold", [entry.class_id, entry.value]
    elif isinstance(entry, RoundAdded):
        found = "round", to_plain(entry.round.info)
    else:
        assert isinstance(entry, WeightsKept)
        found = "weights", entry.key
    return found[0], None, found[1]
