"""An encoder begins with a ResNet-50's weights from a file, or says why not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from monai.networks.nets.resnet import resnet18, resnet34, resnet50
from safetensors.torch import save_file

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.networks.pretrained import load_encoder
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.recipes import recipe_named, settings_of
from napari_contrastseg.tasks.events import Note, StageReport, TrainingBegan
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.train import train
from tests.kit import golden

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SPEC = recipe_named("ideal2023").presets["literal"].network
RESNET18 = '{"encoder": "resnet18", "widths": [4, 64, 64, 128, 256, 512]}'


@pytest.fixture(scope="module")
def source() -> Any:
    """A network of three colours whose layers are named as torchvision's."""
    net = resnet50(
        spatial_dims=2, n_input_channels=3, conv1_t_stride=2, bias_downsample=False
    )
    for name, values in net.named_buffers():
        if name.endswith("running_mean"):
            torch.nn.init.uniform_(values)
    return net.eval()


@pytest.fixture(scope="module")
def colour() -> UNet:
    """A network of three colours that takes such weights, whatever it has had."""
    return UNet(3, 2, SPEC).eval()


def last_map(net: Any, images: torch.Tensor) -> torch.Tensor:
    """The bottleneck of the network that the weights are of."""
    x = net.maxpool(net.act(net.bn1(net.conv1(images))))
    found: torch.Tensor = net.layer4(net.layer3(net.layer2(net.layer1(x))))
    return found


def numbered(weights: dict[str, Any]) -> dict[str, Any]:
    """As RadImageNet has them: the parts are numbers of a sequence."""
    places = {"conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7}
    found = {}
    for name, weight in weights.items():
        part, _, rest = name.partition(".")
        if part in places:
            found[f"backbone.{places[part]}.{rest}"] = weight
    return found


@pytest.mark.parametrize("form", ["plain", "safetensors", "wrapped", "numbered"])
def test_the_encoder_sees_as_the_given_network(
    form: str, source: Any, colour: UNet, tmp_path: Path
) -> None:
    weights = source.state_dict()
    path = tmp_path / "resnet50.pth"
    if form == "safetensors":
        path = path.with_suffix(".safetensors")
        save_file(weights, path)
    elif form == "wrapped":  # as MoCo; torch before 0.4.1 did not count batches
        few = {k: v for k, v in weights.items() if "num_batches" not in k}
        inner = {f"module.encoder_q.{name}": w for name, w in few.items()}
        torch.save({"epoch": 3, "state_dict": inner}, path)
    else:
        torch.save(numbered(weights) if form == "numbered" else weights, path)
    images = torch.randn(1, 3, 64, 64)
    first = {k: v.clone() for k, v in colour.encoder[0].state_dict().items()}
    for parameter in colour.encoder[1:].parameters():
        torch.nn.init.zeros_(parameter)
    load_encoder(path, colour)
    with torch.no_grad():
        assert torch.equal(colour.tap(images, "bottleneck"), last_map(source, images))
        for name, weight in colour.encoder[0].state_dict().items():
            assert torch.equal(weight, first[name])
        if form != "plain":
            return
        grey = UNet(1, 2, SPEC).eval()
        load_encoder(path, grey)
        once, thrice = images[:, :1], images[:, :1].repeat(1, 3, 1, 1)
        torch.testing.assert_close(
            grey.tap(once, "bottleneck"),
            last_map(source, thrice),
            rtol=1e-3,
            atol=1e-3,
        )


@pytest.mark.parametrize(
    "make", [resnet18, pytest.param(resnet34, marks=pytest.mark.slow)]
)
def test_smaller_residual_networks_are_taken_too(
    make: Any, colour: UNet, tmp_path: Path
) -> None:
    """As torchvision and timm name them, on any recipe."""
    given = make(
        spatial_dims=2, n_input_channels=3, conv1_t_stride=2, bias_downsample=False
    ).eval()
    path = tmp_path / "weights.pth"
    torch.save(given.state_dict() | {"fc.weight": torch.zeros(1000, 512)}, path)
    widths = (4, 64, 64, 128, 256, 512)
    kind = make.__name__
    network = UNet(3, 2, NetworkSpec(widths, encoder=kind)).eval()
    load_encoder(path, network)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(network.tap(images, "bottleneck"), last_map(given, images))
    assert network(images).shape == (1, 2, 64, 64)
    with pytest.raises(InputError, match=r"is not a ResNet-50 .*'s resnet50"):
        load_encoder(path, colour)


def test_any_recipe_begins_with_the_weights_of_a_file(tmp_path: Path) -> None:
    given = resnet18(
        spatial_dims=2, n_input_channels=3, conv1_t_stride=2, bias_downsample=False
    )
    path = tmp_path / "resnet18.pth"
    torch.save(given.state_dict(), path)
    settings: Any = settings_of(
        recipe_named("supervised"),
        "sound",
        {"encoder_weights": str(path), "network": RESNET18, "neighbours": "0"},
    )
    settings = replace(settings, batch=2, largest=32)
    asked = golden.request("supervised", steps=1, settings=settings)
    events = train(resolve_here(asked))
    notes = [event.text for event in events if isinstance(event, Note)]
    assert notes == [f"The encoder begins with the weights in {path}."]


def of_no_use(weights: dict[str, Any], folder: Path) -> Iterator[tuple[Path, str]]:
    """Files that are none of a ResNet-50, and what is said of them."""
    yield folder / "none.pth", "there is no such file"
    yield folder, "is a folder, not a file"
    files: dict[str, tuple[Any, str]] = {
        "less": (
            {k: v for k, v in weights.items() if k != "layer3.0.bn1.bias"},
            r"is not a ResNet-50 \(layer3.0.bn1.bias is missing\)",
        ),
        "more": (
            weights | {"layer3.6.bn1.bias": torch.zeros(1)},
            "it would have no layer3.6.bn1.bias",
        ),
        "narrow": (
            weights | {"layer1.0.bn1.bias": torch.zeros(1)},
            "layer1.0.bn1.bias has another shape",
        ),
        "other": (
            {"conv1.weight": torch.zeros(64, 3, 7, 7)},
            r"layer1.0.conv1.weight is missing",
        ),
        "flat": (weights | {"conv1.weight": torch.zeros(64)}, "not of a convolution"),
        "list": ([torch.zeros(1)], "it is not a state dict"),
        "object": (torch.nn.Conv2d(1, 1, 1), "holds more than weights"),
    }
    for name, (held, said) in files.items():
        torch.save(held, folder / f"{name}.pth")
        yield folder / f"{name}.pth", said
    ill = (("notes.pth", "not a file of torch"), ("n.safetensors", "cannot"))
    for name, said in ill:
        (folder / name).write_text("These are my notes.")
        yield folder / name, said
    (folder / "users.pth").write_text("root:x:0:0:root:/root:/bin/sh\n")
    yield folder / "users.pth", "is not a file of weights; give"
    whole = (folder / "other.pth").read_bytes()
    (folder / "half.pth").write_bytes(whole[: len(whole) // 2])
    yield folder / "half.pth", "cannot be read"


def test_other_files_are_refused_in_a_sentence(
    source: Any, colour: UNet, tmp_path: Path
) -> None:
    network = colour
    before = {k: v.clone() for k, v in network.encoder.state_dict().items()}
    for path, said in of_no_use(source.state_dict(), tmp_path):
        with pytest.raises(InputError, match=said) as raised:
            load_encoder(path, network)
        assert str(path) in str(raised.value)
        assert "\n" not in str(raised.value)
    for name, weight in network.encoder.state_dict().items():
        assert torch.equal(weight, before[name])
    with pytest.raises(InputError, match="this network's encoder is plain: give one"):
        load_encoder(tmp_path / "less.pth", UNet(1, 2, NetworkSpec((4, 8))))


def test_a_run_begins_with_them_once(tmp_path: Path) -> None:
    source: Any = resnet18(
        spatial_dims=2, n_input_channels=3, conv1_t_stride=2, bias_downsample=False
    )
    torch.nn.init.uniform_(source.layer2[0].bn1.bias)
    path = tmp_path / "resnet18.safetensors"
    save_file(source.state_dict(), path)
    recipe = recipe_named("ideal2023")
    chosen = settings_of(
        recipe, "literal", {"encoder_weights": str(path), "network": RESNET18}
    )
    small = replace(
        golden.small(chosen), dense_batch=2, batch=2, unlabelled_batch=2, largest=32
    )
    asked = golden.request(
        "ideal2023",
        "literal",
        1,
        settings=small,
        keep=tmp_path / "run",
    )
    events = train(resolve_here(asked))
    notes = []
    for event in events:
        notes += [event.text] if isinstance(event, Note) else []
        if isinstance(event, TrainingBegan):
            begun = event.model.network.encoder.state_dict()
            assert torch.equal(begun["3.0.bn1.bias"], source.layer2[0].bn1.bias)
            assert event.model.card.settings["encoder_weights"] == str(path)
        if isinstance(event, StageReport):
            break
    events.close()
    assert notes == [f"The encoder begins with the weights in {path}."]
    assert list((tmp_path / "run").rglob("checkpoint.json"))
    path.unlink()  # what goes on does not need it any more
    again = train(resolve_here(asked))
    assert any(isinstance(event, TrainingBegan) for event in again)
    again.close()
    with pytest.raises(InputError, match="there is no such file"):
        list(train(resolve_here(replace(asked, keep=None))))


def test_models_say_what_they_began_with(tmp_path: Path) -> None:
    """Settings survive JSON, with a path and without."""
    recipe = recipe_named("ideal2023")
    for text, value in (("null", None), (json.dumps("a/b.pth"), "a/b.pth")):
        found = settings_of(recipe, "literal", {"encoder_weights": text})
        assert (found.encoder_weights and found.encoder_weights.as_posix()) == value
