"""A small bound of memory: less is kept, and the same is learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_contrastseg.io.memory_bound import MEMORY_VARIABLE
from napari_contrastseg.learning.data.slice_cache import SliceCache
from tests.kit.golden import request, run

if TYPE_CHECKING:
    import pytest


def test_what_is_learned_does_not_depend_on_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bit for bit, while slices are kept and while they are read again."""

    def learned(bound: str) -> tuple[dict[str, list[float]], bool]:
        monkeypatch.setenv(MEMORY_VARIABLE, bound)
        kept: list[bool] = []
        begin = SliceCache.__init__

        def note(self: SliceCache, *given: object) -> None:
            begin(self, *given)  # type: ignore[arg-type]
            kept.append(self.resident)

        with monkeypatch.context() as patch:
            patch.setattr(SliceCache, "__init__", note)
            _, losses = run(request("hu2021"))
        return losses, all(kept)

    much, little = learned("4 GB"), learned("100 KB")
    assert much[1]
    assert not little[1]
    assert much[0] == little[0]
