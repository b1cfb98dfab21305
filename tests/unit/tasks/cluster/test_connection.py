"""Connecting to a scheduler: time limit, workers, versions, TLS."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.tasks.cluster import connection
from napari_contrastseg.tasks.cluster.connection import connected
from napari_contrastseg.tasks.cluster.installation import difference

pytest.importorskip("distributed")


def test_a_worker_of_the_same_installation_answers(cluster: Any) -> None:
    with connected(cluster.scheduler_address) as client:
        assert client.submit(sum, [1, 2]).result() == 3


def test_other_versions_are_named(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "has torch 0.1, and here it is 2"
    monkeypatch.setattr(connection, "difference", lambda *_: said)
    with (
        pytest.raises(InputError, match="and here it is 2; install the same versions"),
        connected(cluster.scheduler_address),
    ):
        pass


def test_the_first_difference_of_two_installations_is_said() -> None:
    here = {"Python": "3.11", "torch": "2"}
    assert difference(here, dict(here)) == ""
    said = "has torch 1, and here it is 2"
    assert difference(here, here | {"torch": "1"}) == said
    assert difference(here, {"Python": "3.11"}) == "has no torch, and here it is 2"


def test_nobody_answers_within_the_time_limit() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        with (
            pytest.raises(InputError, match="no Dask scheduler answers within 1 s"),
            connected(address, 1.0),
        ):
            pass


def test_a_program_that_is_silent_is_no_scheduler() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with (
            pytest.raises(InputError, match="no Dask scheduler answers within 1 s"),
            connected(address, 1.0),
        ):
            pass


def test_tls_without_certificates_is_refused_before_connecting() -> None:
    with (
        pytest.raises(InputError, match="Dask's configuration names none"),
        connected("tls://127.0.0.1:8786"),
    ):
        pass
