"""A MONAI bundle: MONAI alone gives the masks that we predict."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle.config_parser import ConfigParser

from napari_contrastseg.io.images import read_volume
from napari_contrastseg.learning.models.predict import Prediction, predict_volume
from napari_contrastseg.session.session import Session
from napari_contrastseg.tasks.exports import Output, export_named
from tests.kit.models import random_model
from tests.kit.nifti import load

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.learning.models.model import Model


def with_input(model: Model, **changes: object) -> Model:
    spec = replace(model.card.input, **changes)  # type: ignore[arg-type]
    return replace(model, card=replace(model.card, input=spec))


def models() -> dict[str, Model]:
    """By what is different in them; pixels are those of the image."""
    one = with_input(random_model(0), pixel=(1.2, 1.0))
    turned = with_input(random_model(0), pixel=(1.2, 1.0), mirror=(2,))
    several = with_input(random_model(0), pixel=(1.2, 1.0))
    several.others.append(with_input(random_model(2), pixel=(1.4, 1.2)))
    return {"one axis": one, "neighbours swapped": turned, "several axes": several}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["one axis", "neighbours swapped", "several axes"])
def test_monai_predicts_what_we_predict(kind: str, tmp_path: Path) -> None:
    model = models()[kind]
    values = np.random.default_rng(0).normal(100, 20, (21, 18, 17)).astype(np.float32)
    (tmp_path / "images").mkdir()
    image = tmp_path / "images" / "case.nii.gz"
    affine = np.diag([-1.0, -1.2, 1.4, 1.0])
    nib.Nifti1Image(values, affine).to_filename(image)
    volume = read_volume(image)
    *_, found = predict_volume(model, volume, torch.device("cpu"))
    assert isinstance(found, Prediction)
    wanted = volume.source.to_file_order(found.labels)
    assert len(np.unique(wanted)) > 1

    session = Session()
    session.add_weights(model)
    export = export_named("monai_bundle")
    list(export.write(session, export.options, Output(tmp_path)))
    root = tmp_path / "monai-bundle"
    parser = ConfigParser()
    parser.read_config(root / "configs" / "inference.json")
    parser.read_meta(root / "configs" / "metadata.json")
    parser["bundle_root"] = str(root)
    parser["dataset_dir"] = str(image.parent)
    parser["device"] = "$torch.device('cpu')"
    parser.parse()
    parser.get_parsed_content("run")
    torch.set_grad_enabled(True)
    mask = load(root / "eval" / "case.nii.gz")
    assert np.allclose(mask.affine, affine)
    same = np.asarray(mask.dataobj) == wanted
    assert same.mean() > 0.995  # inverted by interpolation: a tie may fall otherwise
