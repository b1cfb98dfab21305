"""Addresses of Dask schedulers: which ones may be used, and with what protection.

Dask unpickles what it receives: whoever reaches a scheduler can run code as its user.
So plain ``tcp://`` is for this computer alone; others need ``tls://`` or an ssh tunnel.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from napari_contrastseg.io.errors import InputError

#: The port on which Dask's schedulers listen by default.
PORT: Final = 8786


@dataclass(frozen=True)
class Address:
    """Where a scheduler listens."""

    protocol: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.protocol}://{host}:{self.port}"

    @property
    def encrypted(self) -> bool:
        """Whether both sides show certificates and what is sent is encrypted."""
        return self.protocol == "tls"


def read_address(text: str, *, listening: bool = False) -> Address:
    """Read ``tcp://HOST:PORT`` or ``tls://HOST:PORT``.

    Parameters
    ----------
    text : str
    listening : bool
        Whether it is for a scheduler that is started here.

    Raises
    ------
    InputError
        It is neither, or it is plain ``tcp`` and not of this computer alone.
    """
    try:
        parts = urlsplit(text.strip())
        protocol, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        protocol, host, port = "", None, None
    if protocol not in ("tcp", "tls") or not host or not port:
        raise InputError(
            f"{text!r}: is not the address of a Dask scheduler; write "
            f"tcp://localhost:{PORT} or tls://HOST:{PORT}."
        )
    if protocol == "tcp" and not is_loopback(host) and listening:
        raise InputError(
            f"{text}: whoever reaches it could run code here as you; listen at "
            f"tcp://localhost:{port} and come through an ssh tunnel, or set up TLS and "
            f"give tls://{host}:{port}."
        )
    if protocol == "tcp" and not is_loopback(host):
        raise InputError(
            f"{text}: is another computer, and without TLS anybody on the way can run "
            f"code there; open a tunnel, ssh -N -L {port}:localhost:{port} {host}, and "
            f"give tcp://localhost:{port}, or set up TLS and give tls://{host}:{port}."
        )
    return Address(protocol, host, port)


def is_loopback(host: str) -> bool:
    """Whether a host is this computer alone; names other than localhost are not."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
