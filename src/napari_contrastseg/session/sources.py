"""Where a proposal comes from: a round's network, interpolation, the live head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from napari_contrastseg.session.targets import Origin

#: Names of sources; those without a round are their `Proposer`'s.
NETWORK: Final = "network"
INTERPOLATION: Final = "interpolation"
LIVE: Final = "live"
#: A round's network and the interpolation, each weighed by what it has earned.
FUSED: Final = "network+interpolation"
#: Sources as a sentence names them, where that is not their name.
SPOKEN: Final = {FUSED: "network and interpolation", LIVE: "live answers"}
#: What accepted ink of a source is noted as; of any other it is just accepted.
_NOTED: Final = {
    INTERPOLATION: Origin.ACCEPTED_INTERPOLATION,
    LIVE: Origin.ACCEPTED_LIVE,
    FUSED: Origin.ACCEPTED_FUSED,
}


@dataclass(frozen=True)
class Source:
    """What one slice of a proposal comes from.

    Attributes
    ----------
    name : str
        "" where nothing is proposed yet.
    words : str
        For people, after a slice's number: "interpolated between slices 12 and 30".
    """

    name: str = ""
    words: str = "nothing proposed yet"

    @property
    def origin(self) -> Origin:
        """Origin of ink that is accepted from it."""
        return _NOTED.get(self.name, Origin.ACCEPTED)


def of_round(number: int, name: str = NETWORK) -> Source:
    """Say that a slice comes from a round."""
    together = " with interpolation" if name == FUSED else ""
    return Source(name, f"round {number}{together}")
