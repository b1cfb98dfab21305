"""Which addresses of schedulers may be used."""

from __future__ import annotations

import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.tasks.cluster.address import read_address


@pytest.mark.parametrize(
    "text",
    ["tcp://127.0.0.1:8786", "tcp://localhost:1", "tcp://[::1]:8786", "tls://lab:8786"],
)
def test_this_computer_and_tls_are_accepted(text: str) -> None:
    assert str(read_address(text)) == text


@pytest.mark.parametrize(
    "host", ["lab", "10.0.0.5", "0.0.0.0", "127.0.0.1.example.org", "localhost.lab"]
)
def test_another_computer_without_tls_is_refused_with_the_remedy(host: str) -> None:
    with pytest.raises(InputError, match=f"ssh -N -L 8786:localhost:8786 {host}"):
        read_address(f"tcp://{host}:8786")


@pytest.mark.parametrize(
    "text", ["", "lab:8786", "http://lab:1", "tcp://:1", "tcp://lab", "tcp://a:99999"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="not the address of a Dask scheduler"):
        read_address(text)
