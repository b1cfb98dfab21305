"""Recipe that begins from another's pretraining: ``mixup@chaitanya2020``. No torch."""

from __future__ import annotations

from dataclasses import fields, make_dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated, Any, Final

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.plan.setting import Setting
from napari_contrastseg.learning.plan.stage import stages_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from napari_contrastseg.learning.networks.spec import NetworkSpec
    from napari_contrastseg.learning.plan.stage import Plan, Preset, Recipe

#: What both parts of the training need to have in common: one network, on one input.
SHARED: Final = ("network", "neighbours", "coarser", "largest", "every_axis")
#: Field of the combined settings that holds those of the pretraining.
PRETRAINING: Final = "pretraining"


def combined(
    name: str,
    tuned: Recipe,
    pretrained: Recipe,
    named: tuple[Collection[str], Collection[str]] = ((), ()),
) -> Recipe:
    """Let a recipe begin with the pretraining of another.

    The network is that of the pretraining, with what the first recipe adds to it
    (gates, dropout, a second decoder); the input is that of the first recipe. What only
    one of them was asked for by name holds for both.

    Parameters
    ----------
    name : str
    tuned, pretrained : Recipe
    named : tuple of two collections of str
        Settings of each that were asked for by name.

    Raises
    ------
    InputError
        The second has no pretraining, or both were asked for another network or input.
    """
    if not pretrained.pretrains:
        raise InputError(
            f"Recipe {pretrained.name} has no pretraining that {tuned.name} could "
            "begin from; name one that has, such as simclr."
        )
    presets: dict[Preset | str, Any] = {}
    for preset, settings in tuned.presets.items():
        before = pretrained.presets[preset]
        shared = _shared(settings, before, named)
        kinds: list[Any] = [type(settings), type(before)]
        kind = _settings(*kinds)
        own = {entry.name: getattr(settings, entry.name) for entry in fields(settings)}
        whole = own | shared | {PRETRAINING: replace(before, **shared)}
        presets[preset] = kind(**whole)
    papers = [tuned.paper, pretrained.paper]
    return replace(
        tuned,
        name=name,
        title=f"{tuned.title}, pretrained as {pretrained.name}",
        summary=f"{tuned.summary} It begins from the pretraining of {pretrained.name}.",
        presets=presets,
        plan=partial(_plan, tuned, pretrained),
        paper="; ".join(filter(None, papers)),
        pretrains=True,
        unlabelled=tuned.unlabelled or pretrained.unlabelled,
    )


def _plan(tuned: Recipe, pretrained: Recipe, settings: Any) -> Plan:
    """Put the stages of the pretraining before those of the recipe."""
    shared = {name: getattr(settings, name) for name in SHARED}
    plan = tuned.plan(settings)
    before = pretrained.plan(replace(getattr(settings, PRETRAINING), **shared))
    taken = {stage.name for stage in plan.stages}
    first = tuple(
        replace(stage, name=f"{stage.name} ({pretrained.name})")
        if stage.name in taken
        else stage
        for stage in stages_of(before, ("pretrain",))
    )
    return replace(
        plan,
        stages=(*first, *plan.stages),
        encoder_weights=plan.encoder_weights or before.encoder_weights,
    )


def _shared(
    tuned: Any, pretrained: Any, named: tuple[Collection[str], Collection[str]]
) -> dict[str, Any]:
    """Decide what both parts have in common."""
    found = {}
    for name in SHARED:
        mine, theirs = getattr(tuned, name), getattr(pretrained, name)
        by_name = [name in asked for asked in named]
        if all(by_name) and mine != theirs:
            raise InputError(
                f"--recipe: {name}: one network learns in both parts, so give one "
                "value, or the same one twice."
            )
        if any(by_name):
            found[name] = mine if by_name[0] else theirs
        elif name == "network":
            found[name] = _with_parts(theirs, mine)
        else:
            found[name] = max(mine, theirs) if name == "largest" else mine
    return found


def _with_parts(network: NetworkSpec, more: NetworkSpec) -> NetworkSpec:
    """Add to a network the parts without which another recipe is not itself."""
    return replace(
        network,
        dropout=max(network.dropout, more.dropout),
        attention=network.attention or more.attention,
        peer=network.peer or more.peer,
    )


@cache
def _settings(tuned: Any, pretrained: Any) -> Any:
    """Make the class of the settings of two recipes, one for each pair."""
    meaning = Setting("Settings of the pretraining, given whole.")
    entry = (PRETRAINING, Annotated[pretrained, meaning])
    made: Any = make_dataclass(
        "Settings",
        [entry],
        bases=(tuned,),
        frozen=True,
        kw_only=True,
        namespace={"__reduce__": _reduce, "__module__": __name__},
    )
    made.__doc__ = "What can be chosen, in both parts."
    made.parts = (tuned, pretrained)
    return made


def _reduce(settings: Any) -> tuple[Any, ...]:
    """Send settings to another process, where their class may not exist yet."""
    values = {entry.name: getattr(settings, entry.name) for entry in fields(settings)}
    return _remade, (_parts(type(settings)), values)


def _remade(parts: Any, values: Mapping[str, Any]) -> Any:
    return _class(parts)(**values)


def _parts(kind: type[Any]) -> Any:
    """Name a class by those that modules hold: itself, or its two parts."""
    parts = kind.__dict__.get("parts")
    return kind if parts is None else tuple(map(_parts, parts))


def _class(parts: Any) -> Any:
    """Undo `_parts`."""
    return parts if isinstance(parts, type) else _settings(*map(_class, parts))
