"""A model profile as TOML and back: in a network's own file, and in the manifest of a bundle.

Both hold the same tables (``[size]``, one for each kind of layer, ``[accuracy]``), every figure with its source; in a
manifest the variants hold the accuracies. What was not counted is absent, never zero.

>>> text = network_text(ModelProfile("tiny", conv=1, macs=9, macs_by_kind={"conv": 9}), "counted by hand")
>>> [line for line in text.splitlines() if line.startswith("work_macs")]
['work_macs = { value = 9, source = "model" }']
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from autoscale.errors import ProfileError
from autoscale.profiles.reader import Facts, facts_of
from autoscale.profiles.schema import PROFILE, VERSION
from autoscale.profiles.toml_table import TomlTable
from autoscale.query.model_profile import LAYER_KINDS, Accuracy, ModelProfile, NetworkCut
from autoscale.query.target import PRECISIONS

MANIFEST_SCHEMA: Final = 2
MANIFEST_KEYS: Final = ("schema", "name", "inputs", "outputs", "state", "variants")
"""What a bundle's manifest holds beside the profile."""

NETWORKS: Final = "networks"
"""Where a device file holds the networks that were measured on it."""

CUTS: Final = "cuts"
"""Where a network's file holds the counts of both parts of each cut, by how many nodes are in the head."""

ENDS: Final = ("head", "tail")

_SCHEMA_1: Final = ("conv", "depthwise_conv", "fully_connected", "recurrent", "macs")
_SCHEMA_1_SIZES: Final = ("parameters", "parameter_bytes", "input_bytes", "output_bytes")
_SOURCE: Final = "model"
"""The key of the source of all that was counted."""


def network_text(profile: ModelProfile, source: str) -> str:
    """A network's file; ``load_network`` reads it.

    Args:
        profile: what to write.
        source: where its counts are from.
    """
    head = [f"schema = {VERSION}", f"name = {toml_string(profile.name)}", f"title = {toml_string(profile.name)}"]
    return "\n".join([*head, *profile_lines(profile, source)]) + "\n"


def profile_lines(profile: ModelProfile, source: str) -> list[str]:
    """The tables of a profile, as lines of TOML; ``profile_of`` reads them."""
    lines = ["", "[sources]", f"{_SOURCE} = {toml_string(source)}"]
    lines += [f"{key} = {toml_string(each.source)}" for key, each in profile.accuracies.items()]
    lines += _count_lines(profile, "", _SOURCE)
    for cut in profile.cuts:
        for end in ENDS:
            lines += _count_lines(_sparse(getattr(cut, end)), f"{CUTS}.{cut.after}.{end}.", _SOURCE)
    if profile.accuracies:
        lines += ["", "[accuracy]"]
        lines += [_figure(f"{key}_fraction", float(each.value), key) for key, each in profile.accuracies.items()]
    return lines


def own_networks(document: TomlTable) -> dict[str, ModelProfile]:
    """The networks that a device file describes in ``[networks.NAME.size]`` and so on, by name; their sources are its.

    Raises:
        ProfileError: one does not follow the schema.
    """
    if NETWORKS not in document:
        return {}
    sources = document.sources()
    tables = document.table(NETWORKS).tables()
    return {name: _own_network(name, table, sources) for name, table in tables.items()}


def own_network_lines(networks: Iterable[ModelProfile], source: str) -> list[str]:
    """Their tables as lines of a device file, which ``own_networks`` reads; accuracies are left to its measured rows.

    Args:
        networks: what to write.
        source: the key of the file's source where their counts are from.
    """
    return [line for each in networks for line in _count_lines(each, f"{NETWORKS}.{toml_string(each.name)}.", source)]


def cuts_of(document: TomlTable, name: str) -> tuple[NetworkCut, ...]:
    """The cuts that a network's file describes in ``[cuts.N.head.size]`` and so on, rising; none where it has none.

    Raises:
        ProfileError: one does not follow the schema.
    """
    if CUTS not in document:
        return ()
    sources, cuts = document.sources(), []
    for after, table in document.table(CUTS).tables().items():
        if not (after.isdecimal() and int(after) > 0):
            raise ProfileError(f"{table.path}: {table.name} is no cut; allowed: [{CUTS}.N], after N nodes, 1 or more")
        table.check_keys(ENDS)
        ends = [_own_network(f"{name}-{end}{after}", table.table(end), sources) for end in ENDS]
        cuts.append(NetworkCut(int(after), *ends))
    return tuple(sorted(cuts, key=lambda each: each.after))


def _sparse(part: ModelProfile) -> ModelProfile:
    """A part without the kinds of layers that it lacks: a network has many parts."""
    macs, values = ({kind: n for kind, n in each.items() if n} for each in (part.macs_by_kind, part.values_by_kind))
    return replace(part, macs_by_kind=macs, values_by_kind=values)


def _own_network(name: str, table: TomlTable, sources: dict[str, str]) -> ModelProfile:
    content = {**table.content, "sources": sources}
    return profile_of(facts_of(TomlTable(f"{table.path}: {table.name}", content), PROFILE), name)


def _count_lines(profile: ModelProfile, prefix: str, source: str) -> list[str]:
    lines = []
    for table, figures in _tables(profile):
        lines += ["", f"[{prefix}{table}]", *(_figure(key, value, source) for key, value in figures)]
    return lines


def profile_of(facts: Facts, name: str) -> ModelProfile:
    """The profile that a file's tables hold."""
    macs = _by_kind(facts, "work_macs")
    layers: dict[str, Any] = _by_kind(facts, "count_layers")
    return ModelProfile(
        name,
        **layers,
        macs=_whole(facts, "size.work_macs", sum(macs.values())),
        macs_by_kind=macs,
        parameters=_whole(facts, "size.parameters_values"),
        parameter_bytes=_whole(facts, "size.parameters_bytes"),
        input_bytes=_whole(facts, "size.input_bytes"),
        output_bytes=_whole(facts, "size.output_bytes"),
        accuracies={key: each for key in PRECISIONS if (each := _accuracy(facts, f"accuracy.{key}_fraction"))},
        values_by_kind=_by_kind(facts, "moved_values"),
        spatial_macs=_whole(facts, "conv.spatial_macs"),
    )


def manifest_profile(manifest: TomlTable) -> ModelProfile:
    """The profile in a bundle's manifest, of this schema or an older one, with the accuracies of its variants.

    Raises:
        ProfileError: a key that is missing, unknown or of a wrong value.
    """
    is_old = manifest.schema(1, MANIFEST_SCHEMA) == 1
    tables = ["profile"] if is_old else ["sources", *(key for key in PROFILE if key)]
    manifest.check_keys(("schema", "name", "variants"), (*MANIFEST_KEYS, *tables))
    name = manifest.text("name")
    if is_old:
        profile = _profile_of_schema_1(manifest.table("profile"), name)
    else:
        profile = profile_of(facts_of(manifest, PROFILE, ignored=MANIFEST_KEYS), name)
    measured = [(each.text("precision"), variant_accuracy(each)) for each in manifest.rows("variants")]
    return replace(profile, accuracies={precision: accuracy for precision, accuracy in measured if accuracy})


def variant_accuracy(variant: TomlTable) -> Accuracy | None:
    """The accuracy of one of a manifest's variants; None where nobody measured it.

    Raises:
        ProfileError: a value that is no fraction, or one without its source.
    """
    if ("accuracy" in variant) != ("accuracy_source" in variant):
        raise ProfileError(f"{variant.path}: {variant.name}: accuracy and accuracy_source come together")
    if "accuracy" not in variant:
        return None
    return Accuracy(variant.number("accuracy", most=1.0), variant.text("accuracy_source"))


def toml_string(text: str) -> str:
    """A TOML basic string: JSON's escapes, and DEL, which TOML escapes too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _tables(profile: ModelProfile) -> Iterator[tuple[str, Iterable[tuple[str, int]]]]:
    size = {
        "parameters_values": profile.parameters,
        "parameters_bytes": profile.parameter_bytes,
        "input_bytes": profile.input_bytes,
        "output_bytes": profile.output_bytes,
    }
    if profile.macs != sum(profile.macs_by_kind.values()):
        size["work_macs"] = profile.macs
    yield "size", size.items()
    for kind in LAYER_KINDS:
        figures = {"count_layers": getattr(profile, kind)}
        if kind in profile.macs_by_kind:
            figures["work_macs"] = profile.macs_by_kind[kind]
        if kind in profile.values_by_kind:
            figures["moved_values"] = profile.values_by_kind[kind]
        if kind == "conv" and profile.spatial_macs:
            figures["spatial_macs"] = profile.spatial_macs
        if len(figures) > 1 or figures["count_layers"]:
            yield kind, figures.items()


def _figure(key: str, value: float, source: str) -> str:
    return f'{key} = {{ value = {value!r}, source = "{source}" }}'


def _by_kind(facts: Facts, key: str) -> dict[str, int]:
    return {kind: _whole(facts, f"{kind}.{key}") for kind in LAYER_KINDS if f"{kind}.{key}" in facts.figures}


def _whole(facts: Facts, key: str, absent: int = 0) -> int:
    return round(facts.number(key)) if key in facts.figures else absent


def _accuracy(facts: Facts, key: str) -> Accuracy | None:
    return Accuracy(facts.number(key), facts.figures[key].source) if key in facts.figures else None


def _profile_of_schema_1(table: TomlTable, name: str) -> ModelProfile:
    keys = (*_SCHEMA_1, *_SCHEMA_1_SIZES)
    table.check_keys([*keys, "macs_by_kind"])
    macs = table.table("macs_by_kind")
    macs.check_keys((), LAYER_KINDS)
    counts: dict[str, Any] = {key: table.whole(key) for key in keys}
    return ModelProfile(name, **counts, macs_by_kind={kind: macs.whole(kind) for kind in macs.content})
