"""Train and predict with recipes and peers alike, for comparing them.

Peers are not recipes: nothing in the window or in `contrastseg recipes` offers them.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.recipes import base_of, catalogue, recipe_named, settings_of
from napari_contrastseg.tasks.events import Progress, StageReport, TrainingBegan
from napari_contrastseg.tasks.predict import Predicted, PredictRequest, predict
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.train import train

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.learning.models.predict import Prediction
    from napari_contrastseg.tasks.requests import TrainRequest

#: Modules of the peers; each has `check(device)`, `settings()` and `learn(request)`.
PEERS = {
    "random_forest": "napari_contrastseg.bench.compare.random_forest",
    "nnunet": "napari_contrastseg.bench.compare.nnunet",
}


#: Peers that work in processes of their own, whose memory is not seen from here.
OUTSIDE = ("nnunet",)


class Learned(Protocol):
    """What was learned: predicts volumes."""

    def predict(self, volumes: Iterable[Volume]) -> Iterator[tuple[Volume, Prediction]]:
        """Predict volumes, each on its own grid."""


@dataclass(frozen=True, eq=False)
class LearnedModel:
    """A recipe's model."""

    model: Model
    device: str = "auto"

    def predict(self, volumes: Iterable[Volume]) -> Iterator[tuple[Volume, Prediction]]:
        """Predict volumes one after the other."""
        for volume in volumes:
            for event in predict(PredictRequest(self.model, (volume,), self.device)):
                if isinstance(event, Predicted):
                    yield volume, event.prediction


def check(name: str, preset: str, device: str) -> None:
    """See that a recipe or a peer can be run.

    Raises
    ------
    InputError
        There is none of this name or preset, or it needs what is not here.
    """
    if name in PEERS:
        _peer(name).check(device)
        return
    if base_of(name) not in catalogue():
        raise InputError(
            f"There is no recipe or peer {name!r}; choose of "
            f"{', '.join([*catalogue(), *PEERS])}."
        )
    settings_of(recipe_named(name), preset)


def settings(name: str, preset: str) -> Any:
    """Give the settings of a recipe, a dataclass, or those of a peer, a dict."""
    if name in PEERS:
        return _peer(name).settings()
    return settings_of(recipe_named(name), preset)


def wants_unlabelled(name: str) -> bool:
    """Whether the cases without labels are of use."""
    return name not in PEERS and recipe_named(name).unlabelled


def learn(
    request: TrainRequest,
) -> Generator[Progress | StageReport, None, Learned]:
    """Train a recipe or a peer; returns what predicts.

    Raises
    ------
    InputError
        Nothing can be learned from what is labelled, or something is missing.
    """
    if request.recipe in PEERS:
        learned: Learned = yield from _peer(request.recipe).learn(request)
        return learned
    model = None
    for event in train(resolve_here(request)):
        if isinstance(event, TrainingBegan):
            model = event.model
        elif isinstance(event, Progress | StageReport):
            yield event
    assert model is not None
    return LearnedModel(model, request.device)


def learn_to_the_end(request: TrainRequest) -> tuple[Learned, list[StageReport]]:
    """Train where nobody follows the progress; what predicts, and the stages."""
    events = learn(request)
    stages: list[StageReport] = []
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            return end.value, stages
        if isinstance(event, StageReport):
            stages.append(event)


def _peer(name: str) -> Any:
    return importlib.import_module(PEERS[name])
