"""Which routes a session has: every precision of the bundle on every target of this host, and the remote models."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from autoscale.errors import InvalidTarget, UnsupportedModel, listing, one_of
from autoscale.query.target import Target
from autoscale_runtime.backends.base import BACKENDS, Backend
from autoscale_runtime.device.contention import Contention
from autoscale_runtime.device.query_cost import DeviceAccount
from autoscale_runtime.device.routes.base import Route
from autoscale_runtime.device.routes.cpu import CpuRoute
from autoscale_runtime.device.routes.remote import RemoteRoute
from autoscale_runtime.models.bundle import Bundle, served_name
from autoscale_runtime.sensors.hub import SensorHub
from autoscale_runtime.wire.runner import RemoteRunner


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """A model on another machine, as a session is told of it.

    Attributes:
        address: ``host:port`` of a server that speaks the Open Inference Protocol.
        model: its name there; empty for what ``autoscale serve`` calls that variant of the bundle.
        processor: what it runs on there.
        precision: in which it runs there.
    """

    address: str
    model: str = ""
    processor: str = "cpu"
    precision: str = "fp32"


def routes_of(
    bundle: Bundle,
    remotes: Mapping[str, RemoteModel],
    account: DeviceAccount,
    senses: SensorHub,
    pinned: str | None = None,
) -> list[Route]:
    """Every route a session may use; with a pinned target that one alone, and nothing else is loaded.

    Args:
        bundle: the model.
        remotes: place and host (``cloud``, ``edge:tab-s6``) to the model there; no socket is opened.
        account: what the routes' work costs.
        senses: made with the names of the remotes.
        pinned: the only target wanted.

    Raises:
        InvalidTarget: a place, processor or precision that does not exist, or a pinned target that is not here.
        InvalidInput: an address that is none.
        MissingExtra: the only variants are for a backend that is not installed.
        UnsupportedModel: no backend reads any of the variants.
    """
    loaders = {**_local(bundle, account), **_remote(bundle, remotes, account, senses)}
    if pinned is not None:
        target = Target.parse(pinned)
        one_of("target", str(target), map(str, loaders), InvalidTarget)
        loaders = {target: loaders[target]}
    return [load() for load in loaders.values()]


def _local(bundle: Bundle, account: DeviceAccount) -> dict[Target, Callable[[], Route]]:
    """Every variant on every target of this host; the first variant of a precision wins."""
    contention = Contention()
    loaders: dict[Target, Callable[[], Route]] = {}
    backends = _backends(bundle)
    for variant in bundle.variants:
        accuracy = bundle.profile.accuracy(variant.precision)
        for backend in backends:
            if variant.path.suffix in backend.suffixes:
                for target in backend.targets(variant.precision):
                    load = partial(_load, backend, variant.path, target, accuracy, bundle.profile.macs)
                    loaders.setdefault(target, partial(load, account, contention))
    return loaders


def _load(
    backend: Backend,
    path: Path,
    target: Target,
    accuracy: float | None,
    macs: int,
    account: DeviceAccount,
    contention: Contention,
) -> Route:
    return CpuRoute(target, backend.load(path, target), accuracy, macs, account, contention)


def _backends(bundle: Bundle) -> list[Backend]:
    """The installed backends that read some of the bundle's files."""
    suffixes = {variant.path.suffix for variant in bundle.variants}
    kinds: list[type[Backend]] = [BACKENDS.get(name) for name in BACKENDS.names()]
    able = [kind for kind in kinds if suffixes & set(kind.suffixes)]
    if not able:
        raise UnsupportedModel(f"no backend reads the files of '{bundle.name}': {listing(sorted(suffixes))}")
    return [kind() for kind in able if kind.is_available()] or [able[0]()]


def _remote(
    bundle: Bundle, remotes: Mapping[str, RemoteModel], account: DeviceAccount, senses: SensorHub
) -> dict[Target, Callable[[], Route]]:
    targets = {Target.parse(f"{link}:{each.processor}/{each.precision}"): each for link, each in remotes.items()}
    for target in targets:
        if not target.is_remote:
            raise InvalidTarget(f"'{target}' is no remote target; allowed: 'cloud', 'edge', or 'edge:' and a name")
    return {target: partial(_connect, bundle, target, each, account, senses) for target, each in targets.items()}


def _connect(bundle: Bundle, target: Target, remote: RemoteModel, account: DeviceAccount, senses: SensorHub) -> Route:
    runner = RemoteRunner(remote.address, remote.model or served_name(bundle.name, remote.precision))
    return RemoteRoute(target, runner, bundle, account, senses)
