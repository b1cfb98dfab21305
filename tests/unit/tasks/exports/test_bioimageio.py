"""BioImage.IO packages: valid for bioimageio.spec, and their test is passed."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.models import bioimage_package
from napari_contrastseg.session.session import Session
from napari_contrastseg.tasks.exports import Output, export_named
from tests.kit.models import random_model

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def session() -> Session:
    made = Session()
    made.add_weights(random_model(1, "none"))  # converted in half the time
    return made


def test_a_package_is_valid_and_gives_its_own_answer(
    session: Session, tmp_path: Path
) -> None:
    import bioimageio.spec  # takes seconds to load
    import onnxruntime

    export = export_named("bioimageio")
    options = replace(export.options, name="Heart: LV/RV", author="A. Nyone")
    (path,) = export.write(session, options, Output(tmp_path))
    assert path.name == "model-axis-1.bioimage.io.zip"
    with zipfile.ZipFile(path) as package:
        found = bioimageio.spec.load_model_description(package)
    assert found.validation_summary.status != "failed"
    assert found.name == "Heart LV RV"
    assert [author.name for author in found.authors] == ["A. Nyone"]
    channels: Any = found.outputs[0].axes[1]
    names = channels.channel_names
    assert [str(name) for name in names] == ["background", "core", "shell"]
    with zipfile.ZipFile(path) as package:
        assert {"rdf.yaml", "weights.onnx"} <= set(package.namelist())
        images, wanted = (
            np.load(io.BytesIO(package.read(f"test-{side}.npy")))
            for side in ("input", "output")
        )
        runtime = onnxruntime.InferenceSession(package.read("weights.onnx"))
    (probabilities,) = runtime.run(None, {"image": images})
    assert np.allclose(probabilities, wanted, atol=1e-5)
    assert np.allclose(probabilities.sum(1), 1, atol=1e-5)


def test_what_the_library_finds_fault_with_is_not_left(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bioimage_package, "_UNIT", "cubit")
    monkeypatch.setattr(
        bioimage_package, "write_onnx", lambda path, _model: path.write_bytes(b"")
    )
    export = export_named("bioimageio")
    with pytest.raises(InputError, match="zip: is not valid as a BioImage"):
        list(export.write(session, export.options, Output(tmp_path)))
    assert not list(tmp_path.iterdir())
