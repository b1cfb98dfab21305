"""The one exception that is shown to a user as a sentence."""

from __future__ import annotations


class InputError(ValueError):
    """What was given cannot be used; the message names the thing and the remedy.

    The window shows the message as a notification, the command line prints it as
    one line and exits with status 2. Nothing is lost when it is raised.
    """
