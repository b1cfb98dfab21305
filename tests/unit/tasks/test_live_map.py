"""The live map: frames, a thread that has the latest, looks that change nothing."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_contrastseg.bench.measure.embedding import kl, similarities
from napari_contrastseg.insight.features import Extractor
from napari_contrastseg.insight.layout import Frame, frames
from napari_contrastseg.insight.recording import MOST, EmbeddingFrame, Recording
from napari_contrastseg.insight.silhouettes import silhouettes
from napari_contrastseg.insight.table import FeatureTable, sample_voxels
from napari_contrastseg.learning.data.input_spec import InputSpec
from napari_contrastseg.learning.data.padding import cut, to_multiple
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.models.card import ModelCard, ModelClass
from napari_contrastseg.learning.models.model import Model, build_network
from napari_contrastseg.learning.networks.feature_maps import at_rest
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.tasks.live_map import (
    LiveMap,
    MapEvent,
    MapFailed,
    MapFrame,
    MapScores,
)
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.round import EmbedRequest, SlicesScored, embed
from napari_contrastseg.tasks.train import train
from napari_contrastseg.tasks.watch import (
    MOST_OF_TIME,
    FeatureProbe,
    Probed,
    watching,
)
from tests.kit import golden

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def groups(n: int = 120, kinds: int = 3, seed: int = 0) -> NDArray[np.float64]:
    """Points around a few directions."""
    rng = np.random.default_rng(seed)
    return np.eye(kinds)[np.arange(n) % kinds] + rng.normal(0, 0.08, (n, kinds))


def test_the_first_frame_is_pca_and_the_last_is_settled() -> None:
    points = groups()
    every = list(frames(points))
    assert every[0].iteration == 0
    assert not any(frame.settled for frame in every[:-1])
    assert every[-1].settled
    assert [f.iteration for f in every] == sorted(f.iteration for f in every)
    shown = every[-1].shown
    assert shown.mean(axis=0) == pytest.approx([0, 0], abs=1e-5)
    assert (shown**2).sum(axis=1).mean() == pytest.approx(1, abs=1e-5)
    centres = np.stack([shown[k::3].mean(axis=0) for k in range(3)])
    spread = max(
        np.linalg.norm(shown[k::3] - centres[k], axis=1).max() for k in (0, 1, 2)
    )
    apart = min(np.linalg.norm(centres[i] - centres[i - 1]) for i in range(3))
    assert apart > spread, "groups stay apart"


def test_a_map_moves_on_from_the_last() -> None:
    points = groups()
    *_, last = frames(points)
    moved = points + np.random.default_rng(1).normal(0, 0.02, points.shape)
    *_, warm = frames(moved, last.layout)
    *_, cold = frames(moved)
    assert warm.iteration < cold.iteration
    assert warm.kl < 1.05 * cold.kl
    step = np.linalg.norm(warm.shown - last.shown, axis=1).mean()
    assert step < 0.3, "of a map whose radius is 1"


@pytest.mark.parametrize(
    "points", [np.ones((50, 4)), np.zeros((50, 4)), np.eye(5), np.ones((1, 3))]
)
def test_maps_of_nothing_much(points: NDArray[np.float64]) -> None:
    (frame,) = frames(points)
    assert frame.settled
    assert np.isfinite(frame.shown).all()


def test_equal_points_among_others() -> None:
    points = np.repeat(groups(60), 4, axis=0)
    *_, last = frames(points)
    assert np.isfinite(last.layout).all()


def test_kl_is_that_of_all_pairs() -> None:
    """Against the definition, written out."""
    points, layout = groups(60), np.random.default_rng(0).normal(size=(60, 2))
    similar = similarities(points, 1)
    p = similar.toarray()
    assert p.sum() == pytest.approx(1)
    q = 1 / (1 + ((layout[:, None] - layout[None]) ** 2).sum(axis=2))
    np.fill_diagonal(q, 0)
    q /= q.sum()
    some = p > 0
    wanted = (p[some] * np.log(p[some] / q[some])).sum()
    assert kl(similar, layout) == pytest.approx(wanted)


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for something that another thread does."""
    for _ in range(int(seconds / 0.02)):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def table(points: NDArray[np.float64], kinds: int = 3) -> FeatureTable:
    """Voxels with these features, of a class each."""
    n = len(points)
    where = np.stack([np.arange(n)] * 3, axis=1)
    zeros = np.zeros(n, np.int64)
    label = np.arange(n) % kinds
    return FeatureTable(("a",), zeros, where, label, zeros, points.astype(np.float32))


def frames_of(seen: list[MapEvent]) -> list[MapFrame]:
    """Those events that are frames."""
    return [e for e in seen if isinstance(e, MapFrame)]


def settled(seen: list[MapEvent], generation: int) -> bool:
    """Whether an offer is laid out."""
    return any(f.generation == generation and f.frame.settled for f in frames_of(seen))


def test_the_newest_offer_is_laid_out() -> None:
    """Late frames of an old offer never come after those of a newer one."""
    seen: list[MapEvent] = []
    live = LiveMap(seen.append)
    try:
        live.offer(table(groups(160)))
        until(lambda: len(seen) > 3)
        second = live.offer(table(groups(160, seed=1)))
        until(lambda: settled(seen, second))
        third = live.offer(table(groups(160, seed=2)))
        until(lambda: settled(seen, third))
    finally:
        live.close()
    generations = [f.generation for f in seen]
    assert generations == sorted(generations)
    for generation in (second, third):
        first = next(e for e in seen if e.generation == generation)
        assert isinstance(first, MapScores), "silhouettes come first"
        assert len(first.scores.samples) == 160
    warm = [f.frame for f in frames_of(seen) if f.generation == third]
    before = [f.frame for f in frames_of(seen) if f.generation == second][-1]
    assert np.array_equal(warm[0].layout, before.layout), "it goes on where it was"


def test_more_points_join_the_map_and_closing_ends_the_thread() -> None:
    seen: list[MapEvent] = []
    live = LiveMap(seen.append)
    live.offer(table(groups(90)))
    until(lambda: settled(seen, 1))
    before = frames_of(seen)[-1].frame.layout
    live.offer(table(groups(160)))
    until(lambda: bool(frames_of(seen)[-1].generation == 2))
    first = next(f for f in frames_of(seen) if f.generation == 2)
    assert np.array_equal(first.frame.layout[:90], before)
    live.close()
    assert not any(t.name == "contrastseg-map" for t in threading.enumerate())
    count_then = len(seen)
    time.sleep(0.05)
    assert len(seen) == count_then
    more = LiveMap(seen.append, last=live.last)
    try:
        more.offer(table(groups(160)))
        until(lambda: len(frames_of(seen[count_then:])) > 0)
        assert live.last is not None
        start = frames_of(seen[count_then:])[0].frame.layout
        assert np.array_equal(start, live.last[1]), "another thread goes on, too"
    finally:
        more.close()


def test_a_map_that_fails_says_so_and_is_not_the_end() -> None:
    seen: list[MapEvent] = []
    live = LiveMap(seen.append)
    try:
        live.offer(table(np.full((50, 3), np.nan)))
        until(lambda: any(isinstance(e, MapFailed) for e in seen))
        live.offer(table(groups(60)))
        until(lambda: settled(seen, 2))
    finally:
        live.close()


def test_a_recording_is_thinned_but_keeps_the_latest() -> None:
    recording, voxels = Recording(), table(groups(12))
    scores = silhouettes(voxels.features, voxels.label)
    for number in range(3 * MOST):
        layout = np.full((12, 2), number, np.float32)
        recording.add(
            EmbeddingFrame(number // 500 + 1, f"look {number}", voxels, layout, scores)
        )
    assert len(recording.shots) <= MOST
    places = [int(s.layout[0, 0]) for s in recording.shots]
    assert places == sorted(places)
    assert places[-MOST // 2 :] == list(range(3 * MOST - MOST // 2, 3 * MOST))
    assert recording.shots[0].words == "round 1, look 0"
    assert len(recording.curve()) == len(recording.shots)


@pytest.mark.parametrize("name", ["supervised", "chaitanya2020", "mean_teacher"])
def test_being_watched_changes_nothing(name: str) -> None:
    """Weights, losses and random numbers are those of a training nobody looks at."""
    request = golden.request(name, steps=4)
    watch = FeatureProbe(count=60, seconds=0.0)
    events: list[Any] = list(
        watching(train(resolve_here(request)), request, watch, clock=lambda: 0.0)
    )
    looks = [e for e in events if isinstance(e, Probed)]
    assert len(looks) >= 3
    assert [e.number for e in looks] == list(range(1, len(looks) + 1))
    first, last = looks[0].table, looks[-1].table
    assert np.array_equal(first.position, last.position)
    assert not np.array_equal(first.features, last.features), "it learns"
    rest = [e for e in events if not isinstance(e, Probed)]
    plain: list[Any] = list(train(resolve_here(request)))
    assert [type(e) for e in rest] == [type(e) for e in plain]
    mine, theirs = (e[0].model.network.state_dict() for e in (rest, plain))
    assert all(torch.equal(mine[k], theirs[k]) for k in mine)


def test_another_map_of_the_network_is_read() -> None:
    request = golden.request("supervised", steps=2)
    widths = {}
    for tap in (None, "bottleneck"):
        watch = FeatureProbe(count=60, seconds=0.0, tap=tap)
        events: list[Any] = list(
            watching(train(resolve_here(request)), request, watch, clock=lambda: 0.0)
        )
        network = events[0].model.network
        read = next(e.table.features for e in events if isinstance(e, Probed))
        assert np.isfinite(read).all()
        assert read.shape == (60, network.taps[watch.tap_of(events[0].model)])
        widths[tap] = read.shape[1]
    assert widths[None] < widths["bottleneck"]


def test_a_look_that_fails_ends_the_looking_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(Extractor, "features", fail)
    request = golden.request("supervised", steps=4)
    watch = FeatureProbe(count=60, seconds=0.0)
    events: list[Any] = list(
        watching(train(resolve_here(request)), request, watch, clock=lambda: 0.0)
    )
    assert not any(isinstance(e, Probed) for e in events)
    assert [type(e) for e in events] == [type(e) for e in train(resolve_here(request))]


def test_without_labels_unlabelled_voxels_are_looked_at() -> None:
    request = golden.request("simclr", steps=3)
    bare = tuple(TrainingVolume(v.volume) for v in request.volumes)
    request = replace(request, volumes=bare, purposes=("pretrain",))
    watch = FeatureProbe(count=60, seconds=0.0)
    events: list[Any] = list(
        watching(train(resolve_here(request)), request, watch, clock=lambda: 0.0)
    )
    looks = [e for e in events if isinstance(e, Probed)]
    assert looks
    assert not looks[0].table.known.any()


def test_a_pause_is_no_look() -> None:
    """However long whoever gets a look keeps it, the next comes in time."""
    request = golden.request("supervised", steps=40)
    now = [0.0]

    def clock() -> float:
        now[0] += 0.01
        return now[0]

    looks = 0
    for event in watching(
        train(resolve_here(request)), request, FeatureProbe(20, 0.1), clock=clock
    ):
        if isinstance(event, Probed):
            looks += 1
            now[0] += 1000.0
    assert looks > 1


def test_looks_take_a_small_part_of_the_time() -> None:
    """A look that takes long is long in coming again."""
    request = golden.request("supervised", steps=40)
    now = [0.0]

    def clock() -> float:
        now[0] += 0.25  # a step takes one reading, a look two more
        return now[0]

    watch = FeatureProbe(count=20, seconds=0.5)
    events = list(watching(train(resolve_here(request)), request, watch, clock=clock))
    looks = sum(isinstance(e, Probed) for e in events)
    assert 1 < looks <= 1 + 40 * 0.25 / (0.25 / MOST_OF_TIME)


def test_resting_leaves_each_module_as_it_was() -> None:
    network = build_network(NetworkSpec((4, 8)), InputSpec(("i",), 0, 0, (1, 1), ()), 1)
    network.train()
    network.encoder.eval()
    before = [m.training for m in network.modules()]
    with at_rest(network):
        assert not any(m.training for m in network.modules())
    assert [m.training for m in network.modules()] == before


def test_features_are_read_where_the_voxels_are() -> None:
    """Against whole maps, resampled; padding and another pixel size included."""
    sample = phantom(0, (5, 19, 21))
    volumes = [TrainingVolume(sample.volume, sample.truth.astype(np.int16))]
    table = sample_voxels(volumes, 0, 60, 10**9, seed=0)
    rows, columns = np.delete(sample.volume.spacing, 0).tolist()
    spec = InputSpec(("image",), 0, 1, (rows, columns), ())
    network = build_network(NetworkSpec((4, 8, 8)), spec, 1).eval()
    read = Extractor(volumes, table, spec, torch.device("cpu"))
    found = read.features(network, "dec2")
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
    assert np.isfinite(coarse.features(network, "dec1")).all()


def test_frames_say_where_another_map_may_begin() -> None:
    assert not Frame(np.zeros((9, 2)), 10, np.nan, settled=False).free
    assert Frame(np.zeros((9, 2)), 130, 1.5, settled=False).free


def test_slices_are_judged_along_the_sessions_axis() -> None:
    """A model of another axis may have predicted them."""
    sample = phantom(0, (5, 19, 21))
    volumes = (TrainingVolume(sample.volume, sample.truth.astype(np.int16)),)
    spec, network = InputSpec(("image",), 2, 0, (1.0, 1.0), ()), NetworkSpec((4, 8))
    classes = (ModelClass(1, "core"), ModelClass(2, "shell"))
    card = ModelCard("supervised", "sound", {}, classes, spec, network, False, 0)
    model = Model(card, build_network(network, spec, 2))
    sure = np.ones(sample.truth.shape, np.float16)
    found = {sample.volume.id: (sample.truth.astype(np.uint8), sure)}
    events = list(embed(EmbedRequest(model, volumes, found, axis=0)))
    (judged,) = (event for event in events if isinstance(event, SlicesScored))
    assert len(judged.scores.area) == 5
