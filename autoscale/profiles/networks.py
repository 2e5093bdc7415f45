"""The paper's ten networks, as facts: what each computes, moves, sends and how well it answers.

>>> load_network("mobilenet-v1").conv
14
"""

from pathlib import Path

from autoscale.profiles.device import check_name
from autoscale.profiles.folder import devices_folder, shipped_name
from autoscale.profiles.reader import Facts, read_facts
from autoscale.profiles.schema import LAYER_KINDS, NETWORK
from autoscale.query.model_profile import Accuracy, ModelProfile
from autoscale.query.target import PRECISIONS


def network_names() -> list[str]:
    """The networks that ship with AutoScale, sorted."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def load_network(name_or_path: str | Path) -> ModelProfile:
    """Read a network by name (``mobilenet-v1``, also ``MobileNet V1``) or from a ``.toml`` file of your own.

    Raises:
        UnknownName: no network of that name ships; the message names the nearest.
        ProfileError: the file does not follow the schema.
    """
    if isinstance(name_or_path, Path) or name_or_path.endswith(".toml"):
        return _network_from(read_facts(Path(name_or_path), NETWORK))
    name = shipped_name("network", name_or_path, network_names())
    return _network_from(read_facts(_folder() / f"{name}.toml", NETWORK))


def _folder() -> Path:
    return devices_folder() / "networks"


def _network_from(facts: Facts) -> ModelProfile:
    check_name(facts)
    counts = _by_kind(facts, "count_layers")
    macs = _by_kind(facts, "work_macs")
    return ModelProfile(
        facts.texts["name"],
        **counts,
        macs=sum(macs.values()),
        macs_by_kind=macs,
        parameters=round(facts.number("size.parameters_values")),
        parameter_bytes=round(facts.number("size.parameters_bytes")),
        input_bytes=round(facts.number("size.input_bytes")),
        output_bytes=round(facts.number("size.output_bytes")),
        accuracies=_accuracies(facts),
        values_by_kind=_by_kind(facts, "moved_values"),
        spatial_macs=round(facts.number("conv.spatial_macs")) if "conv.spatial_macs" in facts.figures else 0,
    )


def _by_kind(facts: Facts, key: str) -> dict[str, int]:
    return {kind: round(facts.number(f"{kind}.{key}")) for kind in LAYER_KINDS if facts.has(kind)}


def _accuracies(facts: Facts) -> dict[str, Accuracy]:
    keys = {precision: f"accuracy.{precision}_fraction" for precision in PRECISIONS}
    return {
        precision: Accuracy(facts.number(key), facts.figures[key].source)
        for precision, key in keys.items()
        if key in facts.figures
    }
