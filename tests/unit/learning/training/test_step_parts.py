"""The parts of a training step one by one: norm, views, draws, slices, averages."""

from __future__ import annotations

import copy
import math
import threading

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.volume import Volume, array_affine
from napari_contrastseg.learning.data import slice_cache as shelf
from napari_contrastseg.learning.data.augment import Augment, source_pixels
from napari_contrastseg.learning.data.batch import Batch
from napari_contrastseg.learning.data.cohort import Cohort
from napari_contrastseg.learning.data.slice_axes import input_spec
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.data.view import STRONG, Augmentation
from napari_contrastseg.learning.networks.norm import InstanceBatchNorm
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.learning.terms.pixel_sampling import blocks, subsample
from napari_contrastseg.learning.training.optim import Average
from napari_contrastseg.samples.samples import phantom

SMALL = NetworkSpec(widths=(4, 8))
CPU = torch.device("cpu")
FLIPS = Augmentation(mirror=True)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# -- norm ----------------------------------------------------------------------


def torchs_own(norm: InstanceBatchNorm, x: Tensor) -> Tensor:
    parts = norm.instance(x[:, : norm.split]), norm.batch(x[:, norm.split :])
    return torch.cat(parts, dim=1)


def random_norm(dtype: torch.dtype, *, training: bool) -> InstanceBatchNorm:
    norm = InstanceBatchNorm(8).to(dtype).train(training)
    generator = seeded(1)
    for parameter in norm.parameters():
        nn.init.normal_(parameter, generator=generator)
    for name, buffer in norm.named_buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 2, generator=generator)
            assert name in ("batch.running_mean", "batch.running_var")
    return norm


@pytest.mark.parametrize("shape", [(4, 8, 6, 5), (1, 8, 6, 5), (3, 8, 1, 7)])
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("dtype", "close"), [(torch.float64, 1e-10), (torch.float32, 1e-4)]
)
def test_the_norm_is_torchs_own(
    *,
    shape: tuple[int, ...],
    order: torch.memory_format,
    training: bool,
    dtype: torch.dtype,
    close: float,
) -> None:
    ours = random_norm(dtype, training=training)
    theirs = copy.deepcopy(ours)
    x = 2 * torch.randn(*shape, dtype=dtype, generator=seeded(2)) + 0.7
    pull = torch.randn(*shape, dtype=dtype, generator=seeded(3))
    found = []
    for norm, forward in ((ours, ours), (theirs, lambda x: torchs_own(theirs, x))):
        leaf = x.clone(memory_format=order).requires_grad_()
        for _ in range(2):  # statistics build on those of the step before
            y = forward(leaf)
        grads = torch.autograd.grad((y * pull).sum(), [leaf, *norm.parameters()])
        found.append([y.detach(), *grads, *norm.buffers()])
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, rtol=close, atol=close)
    assert not any(buffer.requires_grad for buffer in ours.buffers())


def test_a_norm_without_momentum_keeps_its_statistics() -> None:
    norm = random_norm(torch.float32, training=True)
    before = [b.clone() for b in norm.buffers() if b.is_floating_point()]
    norm.batch.momentum = 0.0
    norm(torch.randn(2, 8, 6, 6, generator=seeded(0)))
    after = [b for b in norm.buffers() if b.is_floating_point()]
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))


# -- views ---------------------------------------------------------------------


def numbered(n: int = 6, h: int = 24, w: int = 32) -> Batch:
    """Slices whose image and truth are the number of each pixel in its slice."""
    number = torch.arange(h * w).view(h, w).expand(n, -1, -1).clone()
    return Batch(number[:, None].float(), number, torch.ones(n, h, w))


def moved(raw: Batch, spec: Augmentation, seed: int = 0) -> tuple[Batch, Tensor]:
    """Augment; also the pixels' sources."""
    _, _, h, w = raw.image.shape
    with Randomness(seed).scope():
        view = Augment(spec, (h, w), (0, 1))(raw)
    assert view.grid is not None
    return view, source_pixels(view.grid)


GEOMETRY = Augmentation(
    rotation=20, scale=(0.8, 1.25), shift=0.1, elastic=0.03, mirror=True, chance=1.0
)


def test_the_grid_tells_where_pixels_came_from() -> None:
    raw = numbered()
    view, pixels = moved(raw, GEOMETRY)
    assert view.grid is not None
    again = functional.grid_sample(raw.image, view.grid, align_corners=True)
    assert torch.allclose(view.image, again, atol=1e-3)
    within = pixels - torch.arange(6)[:, None, None] * raw.target[0].numel()
    within = torch.where(pixels < 0, -1, within)
    assert torch.equal(view.target, within), "the nearest pixel's truth"
    assert (pixels < 0).any(), "something came from outside"
    assert torch.equal(view.weight > 0, pixels >= 0)


def test_moving_coordinates_moves_the_image() -> None:
    spec = Augmentation(rotation=20, scale=(0.8, 1.25), mirror=True, chance=1.0)
    raw = Batch(
        torch.rand(4, 1, 24, 32, generator=seeded(0)),
        torch.zeros(4, 24, 32, dtype=torch.int64),
        torch.ones(4, 24, 32),
    )
    view, pixels = moved(raw, spec)
    augment = Augment(spec, (24, 32), (0, 1))
    assert augment._geometry is not None
    with Randomness(0).scope():
        by_kornia = augment._geometry(raw.image)
    inside = pixels >= 0
    assert inside.float().mean() > 0.5
    assert torch.allclose(view.image[:, 0][inside], by_kornia[:, 0][inside], atol=1e-4)


def test_flips_find_the_very_same_pixels() -> None:
    raw = numbered()
    batch_wide = torch.arange(raw.target.numel()).view(raw.target.shape)
    raw = Batch(batch_wide[:, None].float(), raw.target, raw.weight)
    (first, one), (second, other) = (moved(raw, FLIPS, seed) for seed in (0, 1))
    assert torch.equal(first.image[:, 0].round().long(), one)
    assert torch.equal(second.image[:, 0].round().long(), other)
    assert not torch.equal(one, other)
    places = [pixels.flatten().argsort() for pixels in (one, other)]
    assert torch.equal(
        first.target.flatten()[places[0]], second.target.flatten()[places[1]]
    )


def test_shifted_pixels_from_outside_have_no_number() -> None:
    view, pixels = moved(numbered(), Augmentation(shift=0.4, chance=1.0))
    assert (pixels == -1).any()
    assert torch.equal(pixels == -1, view.target == -1)
    assert pixels.min() == -1
    assert moved(numbered(), STRONG)[1].max() < numbered().target.numel()


# -- drawing -------------------------------------------------------------------


def test_blocks_are_numbered_in_rows() -> None:
    found = blocks((2, 5, 7), 3, CPU)
    assert found.shape == (2, 5, 7)
    rows = [[0, 0, 0, 1, 1, 1, 2]] * 3 + [[3, 3, 3, 4, 4, 4, 5]] * 2
    assert found[0].tolist() == found[1].tolist() == rows


def labels_and_segments() -> tuple[Tensor, Tensor]:
    shares = torch.tensor([0.2, 0.4, 0.2, 0.15, 0.05])
    labels = torch.multinomial(shares, 600, replacement=True, generator=seeded(0)) - 1
    segments = torch.randint(0, 3, (600,), generator=seeded(1))
    labels[(segments == 2) & (labels == 1)] = 0  # a segment that lacks a class
    return labels, segments


@pytest.mark.parametrize("limit", [0, 4, 30, 10_000])
@pytest.mark.parametrize("ratio", [None, 0.5, 1.0, 3.0])
def test_only_so_many_pixels_are_left(limit: int, ratio: float | None) -> None:
    labels, segments = labels_and_segments()
    with Randomness(0).scope():
        found = subsample(labels, segments, limit=limit, ratio=ratio)
    assert ((found == labels) | (found == -1)).all()
    for segment in range(3):
        before, after = labels[segments == segment], found[segments == segment]
        classes = before[before > 0].unique().tolist()
        for kind in classes:
            many = int((before == kind).sum())
            wanted = min(many, limit // len(classes)) if limit else many
            assert (after == kind).sum() == wanted
        background, left = int((before == 0).sum()), int((after == 0).sum())
        if ratio is None:
            assert left == background
        else:
            most = ratio * int((after > 0).sum())
            assert min(background, int(most)) <= left <= math.ceil(most)


def test_nothing_is_drawn_without_a_limit() -> None:
    labels, segments = labels_and_segments()
    assert torch.equal(subsample(labels, segments, limit=0, ratio=None), labels)
    none = torch.where(labels > 0, -1, labels)
    left = subsample(none, segments, limit=9, ratio=2.0)
    assert (left == -1).all(), "no foreground, no background"


def test_draws_differ_and_repeat() -> None:
    labels, segments = labels_and_segments()

    def draws() -> list[Tensor]:
        randomness, found = Randomness(3), []
        for _ in range(2):
            with randomness.scope():
                found.append(subsample(labels, segments, limit=20, ratio=1.0))
        return found

    first, second = draws()
    assert not torch.equal(first, second)
    assert all(torch.equal(*pair) for pair in zip(draws(), draws(), strict=True))


# -- slices at hand ------------------------------------------------------------


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a shelf keep four slices of 40 x 40."""
    monkeypatch.setattr(shelf, "memory_budget", lambda _: 0)
    monkeypatch.setattr(shelf, "KEPT_BYTES", 4 * 4 * 40 * 40)


def a_cohort(largest: int = 64, neighbours: int = 1) -> Cohort:
    volumes = []
    for seed in range(2):
        sample = phantom(seed)
        target = sample.truth.astype(np.int16)
        target[seed::3] = -1
        volumes.append(TrainingVolume(sample.volume, target))
    spec = input_spec([v.volume for v in volumes], 0, neighbours)
    return Cohort(volumes, [1, 2], spec, divisor=8, largest=largest)


@pytest.mark.parametrize("largest", [64, 24])
def test_slices_that_do_not_fit_give_the_same_batches(
    largest: int, request: pytest.FixtureRequest
) -> None:
    def batches(cohort: Cohort) -> list[Batch]:
        rng, found = np.random.default_rng(0), []
        for start in range(0, 24, 4):
            found.append(cohort.batch(cohort.all[start : start + 4], rng))
            cohort.read_ahead(cohort.all[start + 4 : start + 8])
        cohort.close()
        return found

    resident = a_cohort(largest)
    assert resident._shelf.resident
    at_hand = batches(resident)
    request.getfixturevalue("no_room")
    streamed = a_cohort(largest)
    assert not streamed._shelf.resident
    for one, other in zip(at_hand, batches(streamed), strict=True):
        assert torch.equal(one.image, other.image)
        assert torch.equal(one.target, other.target)
        assert torch.equal(one.weight, other.weight)
    assert len(streamed._shelf._images) == 0, "closed"


class Reader:
    """Gives slices of 40 x 40, and counts; slice 13 cannot be read."""

    def __init__(self) -> None:
        self.read: list[tuple[int, str]] = []

    def image(self, place: shelf.Place) -> Tensor:
        self.read.append((place[1], threading.current_thread().name))
        if place[1] == 13:
            raise InputError("this slice cannot be read")
        return torch.full((1, 40, 40), float(place[1]))

    def labels(self, _: shelf.Place) -> shelf.Labels:
        return torch.zeros(40, 40), torch.ones(40, 40)


def readers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if "contrastseg-read-ahead" in t.name]


@pytest.mark.usefixtures("no_room")
def test_a_thread_reads_what_is_wanted_soon() -> None:
    reader = Reader()
    kept = shelf.SliceCache(reader.image, reader.labels, 1, CPU)
    kept.read_ahead([])
    assert not readers()
    kept.read_ahead([(0, 1), (0, 13), (0, 2)])
    assert kept._ahead is not None
    kept._ahead.submit(lambda: None).result(timeout=10)
    assert [number for number, _ in reader.read] == [1, 13, 2]
    assert all("contrastseg-read-ahead" in thread for _, thread in reader.read)
    assert kept.image((0, 2))[0, 0, 0] == 2
    assert len(reader.read) == 3, "it was there"
    with pytest.raises(InputError, match="cannot be read"):
        kept.image((0, 13))
    for number in (1, 5, 6, 7, 8, 5, 9):
        kept.image((0, number))
    assert [number for _, number in kept._images] == [7, 8, 5, 9], "latest used"
    assert len(readers()) == 1
    kept.close()
    assert not readers()
    assert not kept._images


def test_crops_stay_around_labels() -> None:
    rng = np.random.default_rng(0)
    target = np.full((2, 60, 50), -1, np.int16)
    target[0, 50:53, 3:6], target[1, 0, 20] = 0, 1
    volume = Volume("v", (rng.random((2, 60, 50)),), array_affine(np.ones(3)))
    spec = input_spec([volume], 0, 0)
    cohort = Cohort([TrainingVolume(volume, target)], [1], spec, divisor=8, largest=16)
    assert cohort.size == (16, 16)
    for place in ((0, 0), (0, 1)):
        batch = cohort.batch([place] * 40, rng)
        assert (batch.target >= 0).any(dim=(1, 2)).all()
        assert len(batch.image.flatten(1).unique(dim=0)) > 5, "crops differ"


# -- averages ------------------------------------------------------------------


def test_weights_are_averaged_with_a_ramp() -> None:
    network = UNet(1, 2, SMALL)
    average = Average(network, 0.35)
    state = network.state_dict()
    by_hand: dict[str, Tensor] = {}
    for count in range(8):
        for tensor in state.values():
            if tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=seeded(count)))
            else:
                tensor.fill_(count)
        decay = min(0.35, (1 + count) / (10 + count)) if count else 0.0
        for name, tensor in state.items():
            now = tensor.double()
            mean = decay * by_hand.get(name, now) + (1 - decay) * now
            by_hand[name] = mean if tensor.is_floating_point() else now
        average.update(network)
    assert average.count == 8
    for name, tensor in average.module.state_dict().items():
        assert torch.allclose(tensor.double(), by_hand[name], atol=1e-6), name
