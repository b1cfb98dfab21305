"""A network at rest, for reading its feature maps."""

from __future__ import annotations

from napari_contrastseg.learning.data.input_spec import InputSpec
from napari_contrastseg.learning.models.model import build_network
from napari_contrastseg.learning.networks.feature_maps import at_rest
from napari_contrastseg.learning.networks.spec import NetworkSpec


def test_resting_leaves_each_module_as_it_was() -> None:
    network = build_network(NetworkSpec((4, 8)), InputSpec(("i",), 0, 0, (1, 1), ()), 1)
    network.train()
    network.encoder.eval()
    before = [m.training for m in network.modules()]
    with at_rest(network):
        assert not any(m.training for m in network.modules())
    assert [m.training for m in network.modules()] == before
