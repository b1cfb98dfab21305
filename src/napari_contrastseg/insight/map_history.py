"""Map history: the map's frames of all rounds, to go back to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_contrastseg.insight.feature_table import FeatureTable
    from napari_contrastseg.insight.silhouettes import Silhouettes

#: Frames that are kept; when there are more, every second of the older half goes.
MOST = 600


@dataclass(frozen=True, eq=False)
class EmbeddingFrame:
    """A state of the map.

    Attributes
    ----------
    round : int
        The round that was learned, or that this map is of.
    when : str
        "look 3", or "" for the end of the round.
    run : int
        Several runs may lead to one round: pretraining, then fine-tuning.
    table : FeatureTable
    layout : (n, 2) float32
    scores : Silhouettes of the labelled voxels
    """

    round: int
    when: str
    table: FeatureTable
    layout: NDArray[np.float32]
    scores: Silhouettes
    run: int = 0

    @property
    def words(self) -> str:
        """What it is of."""
        return f"round {self.round}" + (f", {self.when}" if self.when else "")


class Recording:
    """Frames in their order; old ones are thinned out."""

    def __init__(self) -> None:
        self.frames: list[EmbeddingFrame] = []

    def add(self, frame: EmbeddingFrame) -> None:
        """Keep a frame."""
        self.frames.append(frame)
        if len(self.frames) > MOST:
            half = MOST // 2
            self.frames = self.frames[:half:2] + self.frames[half:]

    def curve(self) -> list[EmbeddingFrame]:
        """Give the last frame of every look and round, for curves over both."""
        last = {(s.round, s.run, s.when) if s.when else s.round: s for s in self.frames}
        return list(last.values())
