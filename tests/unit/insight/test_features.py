"""Features are those of their voxels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from napari_contrastseg.insight.feature_table import sample_voxels
from napari_contrastseg.insight.features import Extractor, extract
from napari_contrastseg.learning.data.input_spec import InputSpec
from napari_contrastseg.learning.data.padding import cut, to_multiple
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.models.card import ModelCard, ModelClass
from napari_contrastseg.learning.models.model import Model, build_network
from napari_contrastseg.learning.models.slice_tiles import bytes_per_pixel
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.runtime import pass_size
from napari_contrastseg.learning.runtime.pass_size import PassSize
from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.samples.samples import phantom
from tests.kit.generators import finished
from tests.kit.pictures import picture
from tests.kit.tables import everything


def test_features_are_those_of_their_voxels() -> None:
    sample = phantom(0, (4, 19, 21))
    spec = NetworkSpec(widths=(4, 8))
    inputs = InputSpec(("image",), 0, 0, (1.0, 1.0), ())
    card = ModelCard(
        "supervised", "sound", {}, (ModelClass(1, "a"),), inputs, spec, False, 0
    )
    model = Model(card, build_network(spec, inputs, 1))
    volumes = [TrainingVolume(sample.volume, sample.truth.astype(np.int16))]
    table = everything(volumes, 30)
    filled = finished(extract(model, volumes, table, "dec1", torch.device("cpu")))
    assert filled.features.shape == (len(table.label), 4)
    same = finished(extract(model, volumes, table, "dec1", torch.device("cpu")))
    assert np.array_equal(filled.features, same.features)
    assert filled.features.std() > 0


def test_features_are_read_where_the_voxels_are() -> None:
    """Against whole maps, resampled; padding and another pixel size included."""
    sample = phantom(0, (5, 19, 21))
    volumes = [TrainingVolume(sample.volume, sample.truth.astype(np.int16))]
    table = sample_voxels(volumes, 0, 60, 10**9, seed=0)
    rows, columns = np.delete(sample.volume.spacing, 0).tolist()
    spec = InputSpec(("image",), 0, 1, (rows, columns), ())
    network = build_network(NetworkSpec((4, 8, 8)), spec, 1).eval()
    read = Extractor(volumes, table, spec, torch.device("cpu"))
    found = finished(read.reading(network, "dec2"))
    reader = read._readers[0]
    images = torch.stack([reader.image(i) for i in range(5)])
    around, padded = to_multiple(images, network.divisor)
    assert any(around)
    with torch.no_grad():
        maps = cut(network.tap(padded, "dec2"), around)
    z, y, x = table.position.T
    assert found == pytest.approx(maps[z, :, y, x].numpy(), abs=1e-4)
    half = InputSpec(("image",), 0, 1, (2 * rows, 2 * columns), ())
    coarse = Extractor(volumes, table, half, torch.device("cpu"))
    assert np.isfinite(finished(coarse.reading(network, "dec1"))).all()


def test_features_of_a_large_slice_are_nearly_those_of_the_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Statistics come from some parts; features are read of those with voxels."""
    volume = picture(400, 480)
    target = np.full(volume.shape, -1, np.int16)
    target[0, 30:50, 40:60] = 1
    volumes = [TrainingVolume(volume, target)]
    table = sample_voxels(volumes, 0, 60, 10**9, seed=0)
    table = replace(
        table, **{n: getattr(table, n)[table.known] for n in ("volume", "position")}
    )
    table = replace(table, label=table.label[table.known], kind=table.kind[table.known])
    spec = InputSpec(("image",), 0, 0, (1.0, 1.0), ())
    with Randomness(0).scope():
        network = build_network(NetworkSpec((8, 16, 16)), spec, 1).eval()
    read = Extractor(volumes, table, spec, torch.device("cpu"))
    whole = {tap: finished(read.reading(network, tap)) for tap in ("dec2", "enc3")}
    pixels = []
    tap_of = UNet.tap

    def counted(self: UNet, x: torch.Tensor, name: str) -> torch.Tensor:
        pixels.append(x.shape[-2] * x.shape[-1])
        return tap_of(self, x, name)

    monkeypatch.setattr(UNet, "tap", counted)
    monkeypatch.setattr(PassSize, "slices", lambda *_: 0)
    monkeypatch.setattr(pass_size, "TILE_ON_CPU", 2**16 * bytes_per_pixel(network))
    for tap, features in whole.items():
        found = finished(read.reading(network, tap))
        cosine = functional.cosine_similarity(
            torch.from_numpy(found), torch.from_numpy(features)
        )
        assert cosine.mean() > 0.97
    assert 0 < sum(pixels) <= 2 * 2**16, "one tile for each map"
