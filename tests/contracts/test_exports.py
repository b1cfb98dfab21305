"""Every export: writes what it says, over nothing, and says what a session lacks."""

from __future__ import annotations

import json
import shutil
from dataclasses import is_dataclass
from textwrap import dedent
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import read_volume
from napari_contrastseg.learning.plan.setting import setting_fields
from napari_contrastseg.session import painting
from napari_contrastseg.session.session import Session
from napari_contrastseg.tasks import exports
from napari_contrastseg.tasks.exports import Output, catalogue, export_named, options_of
from tests.kit.dicom_series import write_series
from tests.kit.models import untrained_model
from tests.kit.onnx_files import convert_once
from tests.kit.plugins import plugin_file

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.tasks.exports import Export

every_export = pytest.mark.parametrize("name", sorted(catalogue()))


@pytest.fixture(autouse=True)
def _networks_are_converted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    convert_once(monkeypatch)


@pytest.fixture
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A session of a DICOM series, with some ink and a model: it lacks nothing."""
    values = np.random.default_rng(0).integers(0, 999, (14, 12, 8)).astype(np.uint16)
    affine = np.diag([-1.0, -1.0, 2.0, 1.0])
    folder = write_series(tmp_path_factory.mktemp("dicom") / "scan", values, affine)
    session = Session()
    session.add_volume(read_volume(folder))
    session.add_class("core")
    session.add_class("shell")
    where = np.zeros(session.records["scan"].volume.shape, bool)
    where[3, 4:9, 5:12] = True
    painting.paint(session, "scan", where, 2)
    session.add_weights(untrained_model())
    return session


def write(export: Export, session: Session, folder: Path, **how: bool) -> set[Path]:
    return set(export.write(session, export.options, Output(folder, **how)))


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


#: What the tests of this export itself show, too, and what takes long.
_LONG = ("bioimageio", "onnx")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in _LONG else ())
        for name in sorted(catalogue())
    ],
)
def test_it_writes_the_files_that_it_names_over_none(
    name: str, labelled: Session, tmp_path: Path
) -> None:
    """Whichever of its files is there: none is written then, unless it may."""
    export, first = export_named(name), tmp_path / "new" / "folder"
    assert export.missing(labelled) is None
    found = write(export, labelled, first)
    assert found
    assert found == set(content(first))
    for one in first.iterdir():
        folder = tmp_path / f"with {one.name}"
        folder.mkdir()
        copy = shutil.copytree if one.is_dir() else shutil.copyfile
        copy(one, folder / one.name)
        before = content(folder)
        with pytest.raises(InputError, match="exists already"):
            write(export, labelled, folder)
        assert content(folder) == before
        again = write(export, labelled, folder, overwrite=True)
        assert len(again) == len(found)


@every_export
def test_it_says_what_a_session_lacks(name: str, tmp_path: Path) -> None:
    export, empty = export_named(name), Session()
    missing = export.missing(empty)
    assert missing is not None
    assert not missing.endswith(".")
    with pytest.raises(InputError, match=f"{missing[1:]}\\.$"):
        write(export, empty, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@every_export
def test_its_options_say_what_they_mean(name: str) -> None:
    export = export_named(name)
    assert is_dataclass(export.options)
    assert export.title
    assert export.summary
    for option, entry in setting_fields(type(export.options)).items():
        assert entry.setting.meaning.endswith(".")
        assert entry.setting.takes(getattr(export.options, option))
        for choice in entry.choices():  # as the command line lists them: 0.5 is text
            typed = choice if isinstance(choice, str) else json.dumps(choice)
            chosen = options_of(export, {option: typed})
            assert getattr(chosen, option) == choice
    assert options_of(export, {}) == export.options
    with pytest.raises(InputError, match=f"Export {name} has no option 'nonsense'"):
        options_of(export, {"nonsense": "1"})


def test_an_option_is_one_of_its_choices() -> None:
    masks = export_named("masks")
    assert options_of(masks, {"ending": ".tif", "complete": "false"}) == (
        type(masks.options)(".tif", complete=False)
    )
    with pytest.raises(InputError, match=r"ending: \.doc is not allowed; .*\.nii\.gz"):
        options_of(masks, {"ending": ".doc"})
    with pytest.raises(InputError, match=r"no export 'films'.*masks"):
        export_named("films")


NAMES = dedent(
    '''
    """Export the volumes' names as a text."""

    from dataclasses import dataclass
    from typing import Annotated

    from napari_contrastseg.learning.plan.setting import Setting
    from napari_contrastseg.tasks.exports import Export


    @dataclass(frozen=True)
    class NamesOptions:
        between: Annotated[str, Setting("What stands between names.")] = ","


    def missing(session):
        return None if session.records else "Add a volume first"


    def run(session, options, output):
        (path,) = output.claim("names.txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(options.between.join(session.records))
        yield path


    EXPORT = Export("names", "Names", "A text", NamesOptions(), missing, run)
    '''
)


def test_an_export_is_one_file_that_is_found(labelled: Session, tmp_path: Path) -> None:
    file = tmp_path / "plugin" / "volume_names.py"
    file.parent.mkdir()
    file.write_text(NAMES)
    with plugin_file(exports, file):
        assert "names" in catalogue()
        test_its_options_say_what_they_mean("names")
        test_it_says_what_a_session_lacks("names", tmp_path / "a")
        test_it_writes_the_files_that_it_names_over_none(
            "names", labelled, tmp_path / "b"
        )
    assert "names" not in catalogue()
