"""A session that is kept in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_contrastseg.session.storage.autosave import Autosave

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.storage.save_status import SaveProblem


@pytest.fixture
def kept(
    session: Session, tmp_path: Path
) -> Iterator[tuple[Session, Autosave, list[SaveProblem]]]:
    """A session that is kept in a folder."""
    said: list[SaveProblem] = []
    autosave = Autosave(session, tmp_path / "session", said.append)
    yield session, autosave, said
    autosave.close()
