"""Record of an unfinished prediction: which cases are written, in the output folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import read_json, to_plain, write_json

if TYPE_CHECKING:
    from napari_contrastseg.tasks.file_prediction import CaseFiles, FilePrediction

#: Name of the record; deleted when all cases are written.
RECORD: Final = "unfinished.json"


class DoneCases:
    """The cases that the same prediction has written before it was interrupted.

    Parameters
    ----------
    request : FilePrediction
    model : str
        Digest of the model's files.
    """

    def __init__(self, request: FilePrediction, model: str) -> None:
        self._path = request.out / RECORD
        about = [model, request.confidence, request.device, to_plain(request.choice)]
        self._key = json.dumps(about)
        self._done: dict[str, str] = {}
        if not request.overwrite:
            self._done = self._read()

    def _read(self) -> dict[str, str]:
        try:
            found = read_json(self._path)
        except (InputError, OSError):
            return {}
        if not isinstance(found, dict) or found.get("request") != self._key:
            return {}
        cases: Any = found.get("cases")
        return dict(cases) if isinstance(cases, dict) else {}

    def named(self, case: CaseFiles) -> bool:
        """Whether a case was written, of whatever images."""
        return case.case in self._done and all(p.exists() for p in case.outputs)

    def has(self, case: CaseFiles, images: str) -> bool:
        """Whether a case was written of images of this digest."""
        return self._done.get(case.case) == images

    def add(self, case: CaseFiles, images: str) -> None:
        """Note that a case is written."""
        self._done[case.case] = images
        write_json(self._path, {"request": self._key, "cases": self._done})

    def forget(self) -> None:
        """Delete the record: nothing is left to do."""
        self._path.unlink(missing_ok=True)
