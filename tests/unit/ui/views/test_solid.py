"""What a 3-D view is drawn from: the labels themselves, or of large volumes a part."""

from __future__ import annotations

import numpy as np
import pytest

from napari_contrastseg.ui.views import solid
from napari_contrastseg.ui.views.solid import (
    Solid,
    SolidRequest,
    make_solid,
    solid_steps,
)


def made(request: SolidRequest) -> Solid:
    """Run the task to its end."""
    *_, last = make_solid(request)
    assert isinstance(last, Solid)
    return last


@pytest.mark.parametrize("side", [1024, 3])
def test_labels_and_image_are_those_of_the_sampled_voxels(
    side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solid, "_SIDE", side)
    monkeypatch.setattr(solid, "_COARSE_SIDE", 3)
    rng = np.random.default_rng(0)
    labels = rng.choice(np.array([0, 1, 2, 255], np.uint8), (5, 7, 9))
    image = rng.normal(size=labels.shape)
    found = made(SolidRequest(labels, image, (-1.0, 1.0)))
    assert found.steps == ((1, 1, 1) if side > 9 else (2, 3, 3))
    first, second, third = found.steps
    part = labels[::first, ::second, ::third]
    assert np.array_equal(found.labels, np.where(part == 255, 0, part))
    assert found.image is not None
    wanted = np.clip((image[::first, ::second, ::third] + 1) / 2, 0, 1) * 255
    assert np.abs(found.image - wanted).max() <= 1


def test_steps_keep_large_volumes_within_bounds_and_leave_others_alone() -> None:
    assert solid_steps((88, 640, 640)) == (1, 1, 1)
    assert solid_steps((160, 1024, 1024)) == (1, 4, 4)
    for shape in ((2048, 2048, 2048), (20, 4096, 4096), (5000, 50, 50)):
        steps = solid_steps(shape)
        sampled = [-(-n // s) for n, s in zip(shape, steps, strict=True)]
        assert max(sampled) <= 320
