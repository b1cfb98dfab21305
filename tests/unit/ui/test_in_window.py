"""What the window says: the name first, the folder last, no command line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from napari_contrastseg.io.choice import NotUprightError, Part, SeveralPartsError
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import refuse_existing
from napari_contrastseg.ui.in_window import in_window
from napari_contrastseg.ui.notify import notify_error
from tests.kit.window import said

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ("Add a volume first.", "Add a volume first."),
        ("t1: has labels; ask.", "t1: has labels; ask."),
        (
            "/a/b c/t1.nii.gz: cannot be read (no space left).",
            "t1.nii.gz: cannot be read (no space left). (It lies in /a/b c.)",
        ),
        (
            "C:\\data\\t1.nii.gz: is not an image.",
            "t1.nii.gz: is not an image. (It lies in C:\\data.)",
        ),
        (
            "/a/b c/t1.nii.gz: there is no such file.",
            "t1.nii.gz: there is no such file. (It was looked for in /a/b c.)",
        ),
        ("The session lives in /a/b now.", "The session lives in /a/b now."),
        (
            "No GPU can be used (contrastseg doctor says why); choose the CPU.",
            "No GPU can be used; choose the CPU.",
        ),
    ],
)
def test_a_message_begins_with_what_happened(message: str, wanted: str) -> None:
    assert in_window(message) == wanted


def test_no_option_reaches_the_window(tmp_path: Path) -> None:
    parts = [Part(f"level {number}", "", "level") for number in (1, 2)]
    for error in (
        SeveralPartsError("a.zarr", "two images", parts),
        NotUprightError("a: its slices are tilted"),
    ):
        notify_error(str(error))
        assert not re.search("--[a-z]|command line", said())
    mask = tmp_path / "mask.nii.gz"
    mask.touch()
    with pytest.raises(InputError) as refused:
        refuse_existing(mask, overwrite=False)
    notify_error(str(refused.value))
    assert said().startswith("mask.nii.gz: exists already; give another name")
    assert "--" not in said()
