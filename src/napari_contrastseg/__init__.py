"""Label a few slices, click, correct, export: contrastive segmentation in napari."""

import os
import sys

__version__ = "0.1.0"

#: Looks for work before a thread of OpenMP sleeps: some dozen microseconds. Its own
#: 300,000 hold a core that other programs need (docs/performance.md).
OPENMP_SPINS = "1000"


def _spin_briefly() -> None:
    """Set it before torch is loaded, which reads it once, where a person has not."""
    chosen = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys()
    if not chosen and "torch" not in sys.modules:
        os.environ["GOMP_SPINCOUNT"] = OPENMP_SPINS


_spin_briefly()
