"""bench tools: each tool is measured, changes something, and is taken back."""

from __future__ import annotations

import json

from napari_contrastseg.session.editing.tools import TOOLS
from tests.kit.command_line import here


def test_every_tool_is_measured_where_there_is_something_to_change() -> None:
    done = here("bench", "tools", "--size", 64, "--slices", 6, "--json", "-")
    assert done.status == 0, done.err
    report = json.loads(done.out)
    others = ("copy slice before", "paint in range", "number pieces", "interpolate")
    assert set(report["tools"]) == {*TOOLS, *others}
    assert set(report["smart"]) == {"smart brush", "box", "click", "two clicks"}
    for name, figures in report["tools"].items():
        assert figures["slice_voxels"] > 0, name
        assert figures["slice_ms"] >= 0
        if name in TOOLS:
            assert figures["volume_voxels"] > 0
