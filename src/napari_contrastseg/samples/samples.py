"""Sample data: a brain template made realistic, synthetic phantoms, a download."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from napari_contrastseg.io.dataset import read_image
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import read_labels
from napari_contrastseg.io.volume import Source, Volume, array_affine, canonical

if TYPE_CHECKING:
    from numpy.typing import NDArray

TISSUES = {1: "grey", 2: "white"}
#: A voxel is background where neither tissue is likelier than this.
BACKGROUND_LIKELIHOOD = 0.4
COIL_BIAS, RICIAN_NOISE = 0.4, 0.07
SHAPES = {1: "core", 2: "shell"}


@dataclass(frozen=True, eq=False)
class Sample:
    """A volume with its reference labels, in the volume's order."""

    volume: Volume
    truth: NDArray[np.uint8]
    classes: dict[int, str]


def mni152(seed: int = 0) -> Sample:
    """MNI152 T1 at 2 mm with simulated coil bias (40 %) and Rician noise (7 %).

    The template and its grey- and white-matter maps ship with nilearn; nothing is
    downloaded. The label of a voxel is the likelier of background (0.4), grey and
    white matter.

    Raises
    ------
    InputError
        nilearn is not installed.
    """
    try:
        from nilearn import datasets  # noqa: PLC0415  an optional dependency
    except ImportError:
        raise InputError(
            "The MNI152 sample needs nilearn; install it with: pip install "
            "'napari-contrastseg[samples]'."
        ) from None
    template = datasets.load_mni152_template(resolution=2)
    grey = datasets.load_mni152_gm_template(resolution=2).get_fdata(dtype=np.float32)
    white = datasets.load_mni152_wm_template(resolution=2).get_fdata(dtype=np.float32)
    clean = template.get_fdata(dtype=np.float32)
    likelihood = np.stack([np.full_like(grey, BACKGROUND_LIKELIHOOD), grey, white])
    labels = likelihood.argmax(axis=0).astype(np.uint8)
    image = simulate_scanner(clean, np.random.default_rng(seed))
    source = Source(file_format="nifti")
    affine = np.asarray(template.affine, dtype=np.float64)
    volume = canonical(Volume("MNI152_T1_2mm", (image,), affine, source=source))
    truth = np.ascontiguousarray(volume.source.to_volume_order(labels))
    return Sample(volume, truth, dict(TISSUES))


def simulate_scanner(
    clean: NDArray[np.float32],
    rng: np.random.Generator,
    *,
    bias: float = COIL_BIAS,
    noise: float = RICIAN_NOISE,
) -> NDArray[np.float32]:
    """Add a smooth coil bias and Rician noise, as simulated scanners do.

    Parameters
    ----------
    bias : float
        Gain varies smoothly between 1 - bias / 2 and 1 + bias / 2.
    noise : float
        Standard deviation of both parts of the signal, as a part of the maximum.
    """
    field = scipy.ndimage.gaussian_filter(
        rng.standard_normal(clean.shape), np.array(clean.shape) / 5
    )
    field = (field - field.min()) / (field.max() - field.min())
    gain = 1 + bias * (field - 0.5)
    sigma = noise * float(clean.max())
    real = clean * gain + rng.normal(0, sigma, clean.shape)
    imaginary = rng.normal(0, sigma, clean.shape)
    magnitude: NDArray[np.float32] = np.hypot(real, imaginary).astype(np.float32)
    return magnitude


def phantom(seed: int, shape: tuple[int, int, int] = (16, 40, 40)) -> Sample:
    """Make a bent ellipsoid with a core, with bias, noise and a contrast of its own.

    Parameters
    ----------
    seed : int
        Shape, place, contrast and noise follow from it.
    shape : (z, y, x) voxels of 2 x 1 x 1 mm
    """
    rng = np.random.default_rng([seed, 2021])
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    z, y, x = grid
    bend = rng.uniform(-0.35, 0.35)
    y = y - bend * x**2 - rng.uniform(-0.12, 0.12)
    x = x - rng.uniform(-0.12, 0.12) - 0.2 * bend * z
    radii = rng.uniform(0.45, 0.65, 3)
    radius = np.sqrt(
        (z / (radii[0] + 0.2)) ** 2 + (y / radii[1]) ** 2 + (x / radii[2]) ** 2
    )
    truth = np.zeros(shape, np.uint8)
    truth[radius < 1] = 2
    truth[radius < rng.uniform(0.5, 0.6)] = 1
    levels = np.array([0.25, 0.9, 0.55]) + rng.uniform(-0.06, 0.06, 3)
    image = scipy.ndimage.gaussian_filter(levels[truth], (0.4, 0.7, 0.7)).astype(
        np.float32
    )
    image = simulate_scanner(image, rng, bias=0.3, noise=0.05)
    scale = rng.uniform(50, 500)
    affine = array_affine(np.array([2.0, 1.0, 1.0]))
    volume = Volume(f"phantom_{seed:03d}", (image * scale,), affine)
    return Sample(volume, truth, dict(SHAPES))


def phantom_cohort(
    count: int, shape: tuple[int, int, int] = (16, 40, 40)
) -> list[Sample]:
    """Make `count` different phantoms."""
    return [phantom(seed, shape) for seed in range(count)]


def hippocampus(count: int, folder: Path | None = None) -> list[Sample]:
    """Download MSD Task04 Hippocampus through MONAI and read the first volumes.

    Raises
    ------
    InputError
        It could not be downloaded.
    """
    from monai.apps.datasets import DecathlonDataset

    root = folder or Path(tempfile.gettempdir()) / "contrastseg-samples"
    root.mkdir(parents=True, exist_ok=True)
    try:
        found: Any = DecathlonDataset(
            str(root), "Task04_Hippocampus", "training", download=True, cache_num=0
        )
    except Exception as error:
        raise InputError(
            f"MSD Hippocampus could not be downloaded ({type(error).__name__}); check "
            "the connection, or open your own files."
        ) from error
    samples = []
    for entry in found.data[:count]:
        path = Path(entry["image"])
        volume = read_image([path], path.name.removesuffix(".nii.gz"))
        truth = np.asarray(read_labels(Path(entry["label"])).data[0], np.uint8)
        samples.append(Sample(volume, truth, {1: "anterior", 2: "posterior"}))
    return samples
