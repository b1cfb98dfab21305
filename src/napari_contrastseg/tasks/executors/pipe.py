"""Pipe between a process and its own child: messages of bytes, each with its length.

What comes through it is unpickled. Both ends are held by these two processes alone: the
child's standard input and output.
"""

from __future__ import annotations

import struct
import threading
from typing import IO, Final

_LENGTH: Final = struct.Struct("<Q")


class ClosedError(Exception):
    """The other side has gone."""


class Pipe:
    """Two streams of messages.

    Parameters
    ----------
    incoming, outgoing : file of bytes
    """

    def __init__(self, incoming: IO[bytes], outgoing: IO[bytes]) -> None:
        self._incoming, self._outgoing = incoming, outgoing
        self._writing = threading.Lock()

    def send(self, message: bytes) -> None:
        """Send a message.

        Raises
        ------
        ClosedError
        """
        try:
            with self._writing:
                self._outgoing.write(_LENGTH.pack(len(message)))
                self._outgoing.write(message)
                self._outgoing.flush()
        except (OSError, ValueError) as error:
            raise ClosedError from error

    def receive(self) -> bytes:
        """Wait for a message.

        Raises
        ------
        ClosedError
        """
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size))
        return self._read(length)

    def close(self) -> None:
        """Close both streams; the other side notices."""
        for stream in (self._outgoing, self._incoming):
            try:
                stream.close()
            except OSError:  # what was not written any more
                continue

    def _read(self, length: int) -> bytes:
        try:
            data = self._incoming.read(length)
        except (OSError, ValueError) as error:
            raise ClosedError from error
        if len(data) < length:
            raise ClosedError
        return data
