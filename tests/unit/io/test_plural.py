"""Numbers with their nouns."""

from __future__ import annotations

import pytest

from napari_contrastseg.io.plural import plural


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 masks"), (1, "1 mask"), (2, "2 masks"), (-1, "-1 masks")]
)
def test_only_one_is_singular(count: int, said: str) -> None:
    assert plural(count, "mask") == said
