"""Networks as facts: what each computes, moves, sends and how well it answers. The paper's ten ship.

>>> load_network("mobilenet-v1").conv
14
"""

from pathlib import Path

from autoscale.profiles.device import check_name
from autoscale.profiles.folder import devices_folder, find, names
from autoscale.profiles.model_profile_codec import manifest_profile, profile_of
from autoscale.profiles.reader import facts_of
from autoscale.profiles.schema import NETWORK, VERSION
from autoscale.profiles.toml_table import read_toml
from autoscale.query.model_profile import ModelProfile


def network_names() -> list[str]:
    """The networks that ship with AutoScale, sorted."""
    return names(_folder())


def load_network(name_or_path: str | Path) -> ModelProfile:
    """Read a network by name (``mobilenet-v1``, also ``MobileNet V1``) or from a ``.toml`` file of your own.

    A file is what ``autoscale inspect MODEL --network FILE.toml`` writes, or a bundle's own ``model.toml``.

    Raises:
        UnknownName: no network of that name ships; the message names the nearest.
        ProfileError: the file does not follow the schema.
    """
    return _read(find("network", name_or_path, _folder()))


def _folder() -> Path:
    return devices_folder() / "networks"


def _read(path: Path) -> ModelProfile:
    document = read_toml(path)
    if "variants" in document:
        return manifest_profile(document)
    document.schema(VERSION)
    facts = facts_of(document, NETWORK, ignored=("schema",))
    check_name(facts)
    return profile_of(facts, facts.texts["name"])
