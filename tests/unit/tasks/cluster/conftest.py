"""A cluster of one worker in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.kit.clusters import one_worker

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def cluster(light_children: None) -> Iterator[Any]:
    """A scheduler and a worker in this process."""
    del light_children
    with one_worker() as made:
        yield made


@pytest.fixture(scope="module")
def address(cluster: Any) -> str:
    """Address of its scheduler."""
    return str(cluster.scheduler_address)
