"""Networks as facts: what each computes, moves, sends and how well it answers. The paper's ten ship.

Of the networks that others measured, whose rows stand in ``devices/*.toml``, the counts ship too: they load by name.

>>> load_network("mobilenet-v1").conv
14
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from autoscale.errors import check_type
from autoscale.profiles.device import DeviceProfile, check_name
from autoscale.profiles.model_profile_codec import CUTS, cuts_of, manifest_profile, own_networks, profile_of
from autoscale.profiles.reader import facts_of
from autoscale.profiles.schema import NETWORK, VERSION
from autoscale.profiles.shipped import devices_folder, is_file, names, shipped_name
from autoscale.profiles.toml_table import read_toml
from autoscale.query.model_profile import ModelProfile


def network_names() -> list[str]:
    """The paper's networks, sorted."""
    return list(_paper_names())


@lru_cache(maxsize=1)
def _paper_names() -> tuple[str, ...]:
    return tuple(names(_folder()))


def load_network(name_or_path: str | Path) -> ModelProfile:
    """Read a network by name (``mobilenet-v1``, also ``MobileNet V1``) or from a ``.toml`` file of your own.

    A name is that of one of the paper's ten, or of a network in the measured rows of a device, as in
    ``mobilenet-v2-0.5-160``.

    A file is what ``autoscale inspect MODEL --network FILE.toml`` writes, or ``autoscale split``, which tells where it
    can be cut; or a bundle's own ``model.toml``.

    Raises:
        UnknownName: no network of that name ships; the message names the nearest.
        ProfileError: the file does not follow the schema.
    """
    check_type("network", name_or_path, (str, Path), "a name, or a .toml file")
    if is_file(name_or_path):
        return _read(Path(name_or_path))
    name = shipped_name("network", str(name_or_path), [*network_names(), *measured_networks()])
    found = known_network(name, {})
    assert found is not None, "every name is one of a file or of a row"
    return found


def network_of(device: DeviceProfile, name_or_path: str | Path) -> ModelProfile:
    """A network that a device's file knows, as ``load_network`` has it otherwise; errors are those of that.

    Of one that only its measured rows name, the name is all that is known.
    """
    if isinstance(name_or_path, str) and name_or_path in device_networks(device):
        return device_networks(device)[name_or_path]
    check_type("network", name_or_path, (str, Path), "a name, or a .toml file")
    return load_network(
        name_or_path if is_file(name_or_path) else shipped_name("network", str(name_or_path), names_for(device))
    )


def names_for(device: DeviceProfile) -> list[str]:
    """The names by which networks are known beside a device: its file's own, then those that ship."""
    return [*dict.fromkeys([*device_networks(device), *network_names(), *measured_networks()])]


def device_networks(device: DeviceProfile) -> Mapping[str, ModelProfile]:
    """Networks that a device's file knows by name; of some it has rows alone."""
    if device_networks not in device.derived:
        rows = {each.network: known_network(each.network, device.networks) for each in device.measured}
        device.derived[device_networks] = {
            **{name: known or ModelProfile(name) for name, known in rows.items()},
            **device.networks,
        }
    found: Mapping[str, ModelProfile] = device.derived[device_networks]
    return found


def known_network(name: str, own: Mapping[str, ModelProfile]) -> ModelProfile | None:
    """A network by its exact name: one of the caller's own, or one that ships; None where nothing is known of it."""
    if name in own:
        return own[name]
    return _paper_network(name) if name in network_names() else measured_networks().get(name)


@lru_cache(maxsize=1)
def measured_networks() -> Mapping[str, ModelProfile]:
    """The networks of the measured rows that ship, by name: counts alone, their accuracies are in the rows."""
    return own_networks(read_toml(_folder() / "measured" / "networks.toml"))


@lru_cache(maxsize=64)
def _paper_network(name: str) -> ModelProfile:
    return _read(_folder() / f"{name}.toml")


def _folder() -> Path:
    return devices_folder() / "networks"


def _read(path: Path) -> ModelProfile:
    document = read_toml(path)
    if "variants" in document:
        return manifest_profile(document)
    document.schema(VERSION)
    facts = facts_of(document, NETWORK, ignored=("schema", CUTS))
    check_name(facts)
    profile = profile_of(facts, facts.texts["name"])
    return replace(profile, cuts=cuts_of(document, profile.name))
