"""Pictures whose parts are unlike each other."""

from __future__ import annotations

import numpy as np

from napari_contrastseg.io.volume import Volume


def picture(rows: int, columns: int, spacing: tuple[float, float] = (1, 1)) -> Volume:
    """Two unlike slices: discs on a slope, one side of it dark."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:rows, :columns] / rows
    slices = []
    for slope in (0.6, -0.3):
        image = slope * x
        for row, column, radius in rng.random((20, 3)) * [1, columns / rows, 0.12]:
            image[(y - row) ** 2 + (x - column) ** 2 < radius**2] = rng.random()
        image[:, : columns // 3] *= 0.1
        slices.append(image + 0.05 * rng.standard_normal(image.shape))
    affine = np.diag([3.0, *spacing, 1.0])
    return Volume("picture", (np.stack(slices),), affine, ("image",))
