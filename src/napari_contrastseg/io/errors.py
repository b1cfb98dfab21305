"""The one exception that is shown to a user as a sentence."""

from __future__ import annotations

from typing import Final

#: Characters of a message; what a file says of itself may be as long as it likes.
LONGEST: Final = 600


class InputError(ValueError):
    """What was given cannot be used; the message names the thing and the remedy.

    The window shows the message as a notification, the command line prints it as
    one line and exits with status 2. Nothing is lost when it is raised.
    """

    def __init__(self, message: str) -> None:
        text = "".join(c if c.isprintable() else " " for c in message)
        if len(text) > LONGEST:
            text = f"{text[: LONGEST - 200]} ... {text[-180:]}"
        super().__init__(text)


class DeviceMemoryError(InputError):
    """A GPU's memory ran out; the last checkpoint is kept, the CPU may go on."""


class ComputerMemoryError(DeviceMemoryError):
    """The computer's own memory ran out, so the CPU would not help."""


class UnreadError(InputError):
    """An image that is read piece by piece could not be read just now."""
