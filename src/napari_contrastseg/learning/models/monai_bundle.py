"""Write a model as a MONAI bundle: TorchScript, its description, how to predict."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

import monai
import numpy as np
import torch

from napari_contrastseg.io.files import replacing
from napari_contrastseg.io.intensities import HIGH, LOW
from napari_contrastseg.io.json import write_json
from napari_contrastseg.io.volume import CANONICAL_AXES
from napari_contrastseg.learning.models.about_input import about_input
from napari_contrastseg.learning.models.volume_network import (
    SlicesNetwork,
    VolumeNetwork,
)
from napari_contrastseg.learning.networks.portable import PortableNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_contrastseg.learning.models.model import Model

_SCHEMA: Final = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/"
    "0.8.1/meta_schema_20220324.json"
)
_PAGE: Final = """\
# A model of napari-contrastseg

It segments volumes with MONAI alone; `models/model.ts` holds the networks of {axes},
and averages them where there are several.

    python -m monai.bundle run --config_file configs/inference.json \\
        --bundle_root . --dataset_dir IMAGES --output_dir MASKS

reads the NIfTI files of a folder and writes their masks on the images' own grids.
napari-contrastseg itself averages several networks only where voxels are nearly cubes.
"""


def write_bundle(folder: Path, model: Model) -> Iterator[Path]:
    """Write a bundle's files; gives each as it is written."""
    models = [model, *model.others]
    weights = folder / "models" / "model.ts"
    with replacing(weights) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript will be replaced some day
        torch.jit.save(scripted(models), str(temporary))
    yield weights
    for name, value in (
        ("metadata.json", _metadata(model)),
        ("inference.json", _inference(models)),
    ):
        write_json(folder / "configs" / name, value)
        yield folder / "configs" / name
    page = folder / "docs" / "README.md"
    axes = ", ".join(f"slice axis {m.card.input.axis}" for m in models)
    with replacing(page) as temporary:
        temporary.write_text(_PAGE.format(axes=axes), encoding="utf-8")
    yield page


def scripted(models: list[Model]) -> Any:
    """Compile the networks of all axes as one, from volume to probabilities."""
    parts: list[torch.nn.Module] = []
    for one in models:
        side = 4 * one.network.divisor
        sample = torch.zeros(1, one.network.channels, side, side)
        traced: Any = torch.jit.trace(PortableNetwork(one.network), sample)
        spec = one.card.input
        mirror = list(spec.mirror) if one.card.mirror_at_test else []
        parts.append(
            SlicesNetwork(
                traced,
                spec.axis,
                spec.neighbours,
                mirror,
                one.network.divisor,
                one.network.classes,
            )
        )
    return torch.jit.script(VolumeNetwork(parts).eval())


def _pixdim(models: list[Model]) -> list[float]:
    """Voxel size along the canonical axes; -1 keeps the image's own."""
    sizes = [-1.0, -1.0, -1.0]
    for one in reversed(models):  # what the first network says counts
        axes = [axis for axis in range(3) if axis != one.card.input.axis]
        for axis, size in zip(axes, one.card.input.pixel, strict=True):
            sizes[axis] = float(size)
    return sizes


def _inference(models: list[Model]) -> dict[str, Any]:
    keys = {"keys": "image"}
    numbers = [0, *(c.id for c in models[0].card.classes)]
    levels = {"lower": LOW, "upper": HIGH, "b_min": 0.0, "b_max": 1.0, "clip": True}
    return {
        "imports": [
            "$import glob",
            "$import os",
            "$import torch",
            "$from monai.data import MetaTensor",
        ],
        "bundle_root": ".",
        "dataset_dir": "images",
        "output_dir": "$@bundle_root + '/eval'",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "files": "$[{'image': f} for f in sorted(glob.glob(os.path.join("
        "@dataset_dir, '*.nii*')))]",
        "network_def": "$torch.jit.load(@bundle_root + '/models/model.ts', "
        "map_location=@device).eval()",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", **keys},
                {"_target_": "EnsureChannelFirstd", **keys},
                {
                    "_target_": "Orientationd",
                    **keys,
                    "axcodes": "".join(CANONICAL_AXES),
                },
                {"_target_": "Spacingd", **keys, "pixdim": _pixdim(models)},
                {
                    "_target_": "ScaleIntensityRangePercentilesd",
                    **keys,
                    **levels,
                    "channel_wise": True,
                },
                {"_target_": "EnsureTyped", **keys, "dtype": "$torch.float32"},
            ],
        },
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {
                    "_target_": "Invertd",
                    "keys": "pred",
                    "orig_keys": "image",
                    "transform": "@preprocessing",
                    "nearest_interp": False,
                },
                {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
                {
                    "_target_": "MapLabelValued",
                    "keys": "pred",
                    "orig_labels": list(range(len(numbers))),
                    "target_labels": numbers,
                    "dtype": "$torch.uint8",
                },
                {
                    "_target_": "SaveImaged",
                    "keys": "pred",
                    "output_dir": "@output_dir",
                    "output_postfix": "",
                    "separate_folder": False,
                    "output_dtype": "$'uint8'",
                },
            ],
        },
        "network": "$lambda image: @network_def(image.as_tensor()[None].to(@device))"
        "[0].cpu()",
        "predict": "$lambda item: @postprocessing({**item, 'pred': MetaTensor("
        "@network(item['image']), meta=item['image'].meta)})",
        "run": [
            "$torch.set_grad_enabled(False)",
            "$[@predict(@preprocessing(file)) for file in @files]",
        ],
    }


def _metadata(model: Model) -> dict[str, Any]:
    card = model.card
    names = ["background", *(c.name for c in card.classes)]
    return {
        "schema": _SCHEMA,
        "version": "0.1.0",
        "changelog": {"0.1.0": "exported from napari-contrastseg"},
        "monai_version": monai.__version__,
        "pytorch_version": torch.__version__,
        "numpy_version": np.__version__,
        "optional_packages_version": {"nibabel": "5.2"},
        "task": "segmentation",
        "description": "Segments volumes; trained in napari-contrastseg.",
        "authors": "",
        "copyright": "",
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image",
                    "format": "magnitude",
                    "num_channels": len(card.input.channels),
                    "spatial_shape": ["*", "*", "*"],
                    "dtype": "float32",
                    "value_range": [0, 1],
                    "is_patch_data": False,
                    "channel_def": dict(_numbered(list(card.input.channels))),
                }
            },
            "outputs": {
                "pred": {
                    "type": "image",
                    "format": "segmentation",
                    "num_channels": len(names),
                    "spatial_shape": ["*", "*", "*"],
                    "dtype": "float32",
                    "value_range": [0, 1],
                    "is_patch_data": False,
                    "channel_def": dict(_numbered(names)),
                }
            },
        },
        "napari_contrastseg": about_input(card, model.network.divisor),
    }


def _numbered(names: list[str]) -> Iterator[tuple[str, str]]:
    return ((str(number), name) for number, name in enumerate(names))
