"""The network that a person names: one that ships, a TOML file, a bundle, or a model file, which is counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autoscale.errors import UnknownName, listing
from autoscale.profiles import DeviceProfile
from autoscale.profiles.networks import device_networks, load_network, measured_networks, network_names
from autoscale.profiles.shipped import is_file, shipped_name
from autoscale.query.model_profile import ModelProfile
from autoscale_runtime.backends.engines import suffixes
from autoscale_runtime.models.bare_model import name_of
from autoscale_runtime.models.inspection import inspect
from autoscale_runtime.models.inspection.inputs import Ask, Shape
from autoscale_runtime.models.manifest import MANIFEST


@dataclass(frozen=True, slots=True)
class AskedNetwork:
    """A network and what has to be said of its counts.

    Attributes:
        profile: its counts.
        notes: what was assumed.
        uncounted: what is missing from the counts, and why.
    """

    profile: ModelProfile
    notes: tuple[str, ...] = ()
    uncounted: tuple[str, ...] = ()


def asked_network(
    text: str, shapes: Mapping[str, Shape], ask: Ask | None = None, device: DeviceProfile | None = None
) -> AskedNetwork:
    """The network that is meant.

    Args:
        text: a name that ships or that the device's file knows, a ``.toml``, a bundle's folder, or a model file.
        shapes: of a model file: input name to shape, where its inputs have open dimensions.
        ask: likewise called for a shape that is open still.
        device: whose own networks are known by name too.

    Raises:
        UnknownName: neither a file nor a network that ships; the message names the nearest.
        ProfileError, ModelError: a file that cannot be read.
        FeedError: a shape is missing, or does not fit the file.
        MissingExtra: the package that reads a model file is not installed.
    """
    path, own = Path(text), {} if device is None else device_networks(device)
    if text in own:
        return AskedNetwork(own[text])
    if text and path.is_dir():
        return AskedNetwork(load_network(path / MANIFEST))
    if is_file(text):
        return AskedNetwork(load_network(path))
    if path.is_file() or path.suffix.lower() in suffixes():
        report = inspect(path, shapes, ask)
        return AskedNetwork(report.profile(name_of(path)), report.notes, report.uncounted)
    try:
        return AskedNetwork(load_network(shipped_name("network", text, [*own, *network_names(), *measured_networks()])))
    except UnknownName as error:
        raise UnknownName(f"{error}; or a .toml, a bundle's folder, or a model file ({listing(suffixes())})") from error
