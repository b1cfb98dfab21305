"""Models on disk: saved, read back, damaged, of other channels."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.volume import Volume
from napari_contrastseg.learning.models.model import load_model, save_model
from napari_contrastseg.samples.samples import phantom
from tests.kit.models import untrained_model
from tests.kit.training import request, run, whole_prediction

if TYPE_CHECKING:
    from pathlib import Path

CPU = torch.device("cpu")


def test_a_full_disk_is_told_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "Error while serializing: I/O error: No space left on device (os error 28)"

    def full(*_: object) -> None:
        raise SafetensorError(said)

    monkeypatch.setattr("napari_contrastseg.learning.models.model.save_file", full)
    with pytest.raises(InputError, match=r"weights\.safetensors: the disk is full"):
        save_model(tmp_path / "m", untrained_model())
    assert not list((tmp_path / "m").iterdir())


def test_models_return_from_disk(tmp_path: Path) -> None:
    model, _ = run(request())
    save_model(tmp_path / "m", model)
    back = load_model(tmp_path / "m")
    assert back.card == model.card
    assert back.card.learned == (1, 2)
    volume = phantom(2).volume
    one, other = (whole_prediction(m, volume, CPU) for m in (model, back))
    assert np.array_equal(one.labels, other.labels)


@pytest.mark.parametrize(
    "what", ["card", "cut", "weights", "format", "swap", "learned"]
)
def test_damaged_models_are_refused(tmp_path: Path, what: str) -> None:
    model, _ = run(request())
    folder = tmp_path / "m"
    save_model(folder, model)
    card, weights = folder / "model.json", folder / "weights.safetensors"
    if what == "card":
        card.unlink()
    elif what == "cut":
        weights.write_bytes(weights.read_bytes()[:100])
    elif what == "weights":
        weights.unlink()
    elif what == "format":
        card.write_text(card.read_text().replace('"format": 2', '"format": 7'))
    elif what == "learned":
        learned = '"learned": [\n  1'
        assert learned in card.read_text()
        card.write_text(card.read_text().replace(learned, learned + "1"))
    else:
        card.write_text(card.read_text().replace("\n   8", "\n   16", 1))
    with pytest.raises(InputError, match="m"):
        load_model(folder)


def test_a_model_without_a_record_of_its_labels_may_predict_every_class(
    tmp_path: Path,
) -> None:
    model, _ = run(request())
    save_model(tmp_path, model)
    card = json.loads((tmp_path / "model.json").read_text())
    del card["learned"]
    (tmp_path / "model.json").write_text(json.dumps(card))
    back = load_model(tmp_path).card
    assert back.learned is None
    assert back.known == {1, 2}
    assert back.unlearned == []


def test_a_model_for_other_channels_is_refused() -> None:
    model, _ = run(request())
    one = phantom(0).volume
    two = Volume("two", (one.data[0], one.data[0]), one.affine, ("a", "b"))
    with pytest.raises(
        InputError, match="has 2 channels, but the model was trained on 1"
    ):
        model.check_fits(two)
