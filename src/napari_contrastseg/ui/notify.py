"""Notifications to the person, and the waiting cursor."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.ui.in_window import in_window

if TYPE_CHECKING:
    from collections.abc import Iterator


def notify_info(message: str) -> None:
    """Show a notice."""
    show_info(in_window(message))


def notify_error(message: str) -> None:
    """Show what went wrong and what to do."""
    show_error(in_window(message))


@contextmanager
def notify_errors() -> Iterator[None]:
    """Show what fails inside, our own errors and the disk's, as a notification."""
    try:
        yield
    except InputError as error:
        notify_error(str(error))
    except OSError as error:
        notify_error(words_of_disk(error))


def words_of_disk(error: OSError) -> str:
    """Say what the disk refused, and what to do."""
    cause = error.strerror or str(error) or type(error).__name__
    return f"{error.filename or 'The disk'}: {cause}; choose another place."


@contextmanager
def busy_cursor() -> Iterator[None]:
    """Show the waiting cursor meanwhile."""
    QApplication.setOverrideCursor(Qt.CursorShape.WaitCursor)
    try:
        yield
    finally:
        QApplication.restoreOverrideCursor()
