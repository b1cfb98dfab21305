"""Why a case failed, in one line."""

from __future__ import annotations

import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.tasks.failed_cases import in_one_line


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("a.nii: is empty."), "a.nii: is empty."),
        (ValueError("one\n  and two"), "ValueError: one and two"),
        (RuntimeError("x" * 300), f"RuntimeError: {'x' * 200}"),
        (KeyError(), "KeyError"),
    ],
)
def test_a_failure_is_one_line(error: Exception, said: str) -> None:
    assert in_one_line(error) == said


def test_a_lack_of_memory_is_said_with_a_remedy() -> None:
    assert in_one_line(MemoryError()).startswith("The memory of this computer ran out;")
