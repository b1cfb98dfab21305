"""Sample data of napari's File menu: images, and references that lie on them."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Layer

from napari_contrastseg.samples import samples
from napari_contrastseg.ui.plugin import sample_data


@pytest.mark.parametrize("name", ["phantoms", "mni", "hippocampus"])
def test_samples_come_with_references_that_lie_on_them(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is downloaded or needs nilearn is a phantom here."""
    made = samples.phantom_cohort(3)
    monkeypatch.setattr(samples, "mni152", lambda: made[0])
    monkeypatch.setattr(samples, "hippocampus", lambda count: made[:count])
    layers = [Layer.create(*layer) for layer in getattr(sample_data, name)()]
    wanted = made[:1] if name == "mni" else made
    for sample, image, mask in zip(wanted, layers[::2], layers[1::2], strict=True):
        assert mask.name == f"{sample.volume.id} reference"
        assert not mask.visible
        assert np.array_equal(mask.data, sample.truth)
        assert np.allclose(mask.scale, image.scale)
        assert np.allclose(mask.translate, image.translate)
