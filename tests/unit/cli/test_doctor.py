"""doctor says what there is."""

from __future__ import annotations

import json

from tests.kit.command_line import contrastseg


def test_doctor_says_what_there_is() -> None:
    report = json.loads(contrastseg("doctor", "--json", "-").stdout)
    assert {"python", "torch", "napari", "device", "gpu", "opengl", "problems"} <= set(
        report
    )
