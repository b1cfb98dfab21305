"""What a MONAI user would write to train the same network on the same slices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.bench.measure.throughput_case import (
    CLASSES,
    ThroughputCase,
    made,
)
from napari_contrastseg.learning.data.view import STRONG
from napari_contrastseg.learning.networks.spec import NetworkSpec

if TYPE_CHECKING:
    from collections.abc import Generator

KEYS = ["image", "label"]


def steps(case: ThroughputCase) -> Generator[int, None, None]:
    """Train for ever; yields the number of steps done."""
    import torch
    from monai.data.dataloader import DataLoader
    from monai.data.dataset import CacheDataset
    from monai.losses.dice import DiceCELoss

    from napari_contrastseg.learning.networks.unet import UNet  # noqa: PLC0415

    volume = made(case.size)
    assert volume.target is not None
    image, target = volume.volume.data[0], volume.target.astype(np.uint8)
    slices = [
        {"image": one[None], "label": truth[None]}
        for one, truth in zip(image, target, strict=True)
    ]
    data = CacheDataset(slices, _transforms(case.size), progress=False)
    loader = DataLoader(
        data,
        batch_size=case.batch,
        shuffle=True,
        drop_last=True,
        num_workers=case.workers,
        persistent_workers=case.workers > 0,
        pin_memory=case.device == "cuda",
    )
    device = torch.device(case.device)
    network = UNet(1, CLASSES + 1, NetworkSpec()).to(device)
    if case.tuned:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=2e-3, weight_decay=1e-4, fused=case.tuned
    )
    half = torch.autocast(
        device.type, torch.bfloat16, enabled=case.tuned and device.type == "cuda"
    )
    loss = DiceCELoss(to_onehot_y=True, softmax=True)
    done = 0
    while True:
        for batch in loader:
            optimiser.zero_grad()
            image, truth = (
                batch[key].as_tensor().to(device, non_blocking=case.tuned)
                for key in KEYS
            )
            with half:
                logits = network(image)
            value = loss(logits.float(), truth)
            value.backward()
            optimiser.step()
            done += 1
            value.item()  # a progress bar would show it
            yield done


def _transforms(size: int) -> Any:
    """Make the changes of `STRONG`, as far as MONAI has them."""
    from monai import transforms

    t: Any = transforms

    s = STRONG
    assert s.scale is not None
    assert s.gamma is not None
    both: Any = {"keys": KEYS, "mode": ["bilinear", "nearest"], "padding_mode": "zeros"}
    spacing, moved = size // 5, s.elastic * size
    return t.Compose(
        [
            t.EnsureTyped(KEYS),
            t.ScaleIntensityRangePercentilesd("image", 0.5, 99.5, 0, 1, clip=True),
            t.RandFlipd(KEYS, prob=0.5, spatial_axis=0),
            t.RandFlipd(KEYS, prob=0.5, spatial_axis=1),
            t.RandAffined(
                prob=0.8,
                rotate_range=np.deg2rad(s.rotation),
                scale_range=s.scale[1] - 1,
                translate_range=s.shift * size,
                **both,
            ),
            t.Rand2DElasticd(
                prob=s.chance,
                spacing=(spacing, spacing),
                magnitude_range=(0, 2 * moved),
                **both,
            ),
            t.RandScaleIntensityd("image", s.brightness, prob=s.chance),
            t.RandAdjustContrastd("image", gamma=s.gamma, prob=s.chance),
            t.RandGaussianNoised("image", std=s.noise, prob=s.chance),
            t.RandGaussianSmoothd(
                "image", (0.2, s.blur), (0.2, s.blur), prob=s.chance / 2
            ),
        ]
    )
