"""A frozen vision transformer: against torch's own layers, from files, in a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.models.model import load_model, save_model
from napari_contrastseg.learning.networks import transformer
from napari_contrastseg.learning.networks.portable import PortableNetwork
from napari_contrastseg.learning.networks.pretrained import load_encoder
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.transformer import Shape, VisionTransformer
from napari_contrastseg.learning.networks.unet import UNet, reinitialise
from napari_contrastseg.recipes import recipe_named, settings_of
from napari_contrastseg.tasks.events import TrainingBegan
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.train import train
from tests.kit import golden

if TYPE_CHECKING:
    from pathlib import Path

SMALL = Shape(width=128, depth=2, patch=4, grid=3)
SPEC = NetworkSpec((4, 8, 16), encoder="vit-ti16")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(transformer.SHAPES, "vit-ti16", SMALL)


@pytest.fixture
def source() -> VisionTransformer:
    """One of three colours with random weights everywhere."""
    generator = torch.Generator().manual_seed(0)
    net = VisionTransformer(3, SMALL)
    for weight in net.parameters():
        weight.copy_(0.1 * torch.randn(weight.shape, generator=generator))
    return net


def by_torch(net: Any, images: torch.Tensor) -> torch.Tensor:
    """The same map by torch's attention and loops over patches."""
    n, patch, width = len(images), SMALL.patch, SMALL.width
    rows, columns = (side // patch for side in images.shape[-2:])
    weight, bias = net.patch_embed.proj.weight, net.patch_embed.proj.bias
    tokens = [net.cls_token[0, 0].expand(n, -1)]
    for r in range(rows):
        for c in range(columns):
            seen = images[..., r * patch : (r + 1) * patch, c * patch : (c + 1) * patch]
            tokens.append(torch.einsum("nijk,wijk->nw", seen, weight) + bias)
    x = torch.stack(tokens, dim=1) + net.pos_embed
    for block in net.blocks:
        heads: Any = nn.MultiheadAttention(width, width // 64, batch_first=True)
        heads.in_proj_weight.data = block.attn.qkv.weight
        heads.in_proj_bias.data = block.attn.qkv.bias
        heads.out_proj.load_state_dict(block.attn.proj.state_dict())
        y = block.norm1(x)
        x = x + block.ls1.gamma * heads(y, y, y, need_weights=False)[0]
        y = nn.functional.gelu(block.mlp.fc1(block.norm2(x)))
        x = x + block.ls2.gamma * block.mlp.fc2(y)
    found: torch.Tensor = net.norm(x)[:, 1:].transpose(1, 2)
    return found.reshape(n, width, rows, columns)


def test_it_is_the_transformer_of_torchs_layers(source: VisionTransformer) -> None:
    images = torch.randn(2, 3, 12, 12)
    with torch.no_grad():
        found = source(images, 3, 3)
        torch.testing.assert_close(
            found, by_torch(source, images), rtol=1e-5, atol=1e-5
        )
        larger = source(images, 2, 5)
    assert larger.shape == (2, SMALL.width, 2, 5)


@pytest.mark.parametrize("form", ["dino", "dinov2", "timm"])
def test_files_of_others_fill_it(
    form: str, source: VisionTransformer, tmp_path: Path
) -> None:
    weights = dict(source.state_dict())
    held: Any = weights
    if form == "dino":  # no factors of channels; a teacher with a prefix, and a head
        ones = {k: torch.ones_like(w) for k, w in weights.items() if "gamma" in k}
        source.load_state_dict(weights | ones)
        few = {k: w for k, w in weights.items() if "gamma" not in k}
        inner = {f"module.backbone.{k}": w for k, w in few.items()}
        held = {"teacher": inner | {"module.head.weight": torch.zeros(3)}, "epoch": 1}
    elif form == "dinov2":
        held = weights | {"mask_token": torch.zeros(1, SMALL.width)}
    else:  # no place of the class
        weights["pos_embed"] = weights["pos_embed"].clone()
        weights["pos_embed"][:, 0] = 0
        source.load_state_dict(weights)
        held = weights | {"pos_embed": weights["pos_embed"][:, 1:]}
    torch.save(held, tmp_path / "weights.pth")
    colour, grey = UNet(3, 2, SPEC), UNet(1, 2, SPEC)
    images = torch.randn(1, 3, 12, 12)
    for network, seen in ((colour, images), (grey, images[:, :1])):
        load_encoder(tmp_path / "weights.pth", network)
        assert network.frozen is not None
        wanted = source(seen.expand(-1, 3, -1, -1), 3, 3)
        found = network.frozen.transformer(seen, 3, 3)
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_places_of_another_grid_are_brought_to_its_own(
    source: VisionTransformer, tmp_path: Path
) -> None:
    other = VisionTransformer(3, Shape(SMALL.width, SMALL.depth, SMALL.patch, 6))
    other.pos_embed.copy_(torch.ones_like(other.pos_embed))
    held = source.state_dict() | {"pos_embed": other.pos_embed}
    torch.save(held, tmp_path / "weights.pth")
    network = UNet(3, 2, SPEC)
    load_encoder(tmp_path / "weights.pth", network)
    assert network.frozen is not None
    places = network.frozen.transformer.pos_embed
    torch.testing.assert_close(places, torch.ones(1, 10, SMALL.width))


def test_other_files_are_refused(source: VisionTransformer, tmp_path: Path) -> None:
    weights = source.state_dict()
    short = {k: w for k, w in weights.items() if not k.startswith("blocks.1.")}
    long = {k.replace("blocks.1.", "blocks.2."): w for k, w in weights.items()}
    cases = {
        "blocks.1.norm1.weight is missing": short,
        "it has more than 2 blocks": weights | long,
        "it has register tokens": weights | {"reg_token": torch.zeros(1, 4, 128)},
        "patch_embed.proj.weight is missing": {"conv1.weight": torch.zeros(1)},
        "patch_embed.proj.weight has another shape": weights
        | {"patch_embed.proj.weight": torch.zeros(128, 3, 8, 8)},
        "pos_embed has another shape": weights | {"pos_embed": torch.zeros(1, 7, 128)},
    }
    network = UNet(1, 2, SPEC)
    for said, held in cases.items():
        torch.save(held, tmp_path / "w.pth")
        with pytest.raises(InputError, match=f"is not a vit-ti16 .{said}"):
            load_encoder(tmp_path / "w.pth", network)


def test_it_needs_a_file_and_never_trains(
    source: VisionTransformer, tmp_path: Path
) -> None:
    recipe, network = recipe_named("supervised"), '{"encoder": "vit-ti16"}'
    bare: Any = settings_of(recipe, "sound", {"network": network})
    with pytest.raises(InputError, match=r"is never trained.*give encoder_weights"):
        recipe.plan(bare)
    path = tmp_path / "weights.pth"
    torch.save(source.state_dict(), path)
    named = {"network": network, "encoder_weights": str(path)}
    settings = golden.small(settings_of(recipe, "sound", named))
    asked = golden.request("supervised", steps=2, settings=settings)
    (model,) = [
        event.model
        for event in train(resolve_here(asked))
        if isinstance(event, TrainingBegan)
    ]
    frozen = model.network.frozen
    assert frozen is not None
    for name, weight in source.state_dict().items():
        if name != "patch_embed.proj.weight":
            assert torch.equal(frozen.transformer.state_dict()[name], weight), name
    save_model(tmp_path / "m", model)
    path.unlink()
    loaded = load_model(tmp_path / "m").network.state_dict()
    for name, weight in model.network.state_dict().items():
        assert torch.equal(loaded[name], weight), "a model works without the file"
    before = frozen.join.weight.detach().clone()
    reinitialise(model.network)
    assert torch.equal(frozen.transformer.cls_token, source.cls_token)
    assert not torch.equal(frozen.join.weight, before)
    model.network.set_trainable(("encoder", "decoder", "classifier"))
    assert not any(p.requires_grad for p in frozen.transformer.parameters())
    assert frozen.join.weight.requires_grad


def test_it_is_not_exported_for_other_programs() -> None:
    with pytest.raises(
        InputError, match=r"vision transformer \(vit-ti16\).*do not hold"
    ):
        PortableNetwork(UNet(1, 2, SPEC))
