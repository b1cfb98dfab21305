"""What the measurement of the start asks napari for is there."""

from __future__ import annotations

import re

from npe2 import PluginManifest

from napari_contrastseg.bench.window.startup import DOCK


def test_the_dock_that_is_measured_is_one_of_the_plugin() -> None:
    found = re.search(r'add_plugin_dock_widget\("(.+)", "(.+)"\)', DOCK)
    assert found is not None
    manifest = PluginManifest.from_distribution(found[1])
    widgets = manifest.contributions.widgets or []
    assert found[2] in [widget.display_name for widget in widgets]
