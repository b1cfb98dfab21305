"""Sources of proposals by name."""

from __future__ import annotations

import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.proposers import catalogue, proposer_named


def test_an_unknown_source_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="no source of proposals 'nobody'") as refused:
        proposer_named("nobody")
    assert all(name in str(refused.value) for name in catalogue())
