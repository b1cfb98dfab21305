"""Numbers with their nouns."""

from __future__ import annotations

import pytest

from napari_contrastseg.io.plural import plural


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 masks"),
        (1, "1 mask"),
        (2, "2 masks"),
        (-1, "-1 masks"),
        (1.0, "1 mask"),
        (2.5, "2.5 masks"),
        (1234567, "1234567 masks"),
        (1234567.0, "1234567 masks"),
    ],
)
def test_only_one_is_singular(count: float, said: str) -> None:
    assert plural(count, "mask") == said
