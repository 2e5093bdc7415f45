"""Which routes a session has: every precision of the bundle on every target of every engine, and the remote models."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from autoscale.errors import InvalidInput, InvalidTarget, ModelError, UnsupportedModel, check_type, listing, one_of
from autoscale.query.target import Target
from autoscale_runtime.backends.base import Backend
from autoscale_runtime.backends.engines import engines, format_of
from autoscale_runtime.device.contention import Contention
from autoscale_runtime.device.copies import Copies, LazyRunner
from autoscale_runtime.device.first_guess import measured_s
from autoscale_runtime.device.query_cost import DeviceAccount
from autoscale_runtime.device.right_answers import RightAnswers, reference_of
from autoscale_runtime.device.routes.accelerator import AcceleratorRoute
from autoscale_runtime.device.routes.base import Route
from autoscale_runtime.device.routes.cpu import CpuRoute
from autoscale_runtime.device.routes.local import LocalModel
from autoscale_runtime.device.sized_mean import SizedMean
from autoscale_runtime.device.slices import slices_of
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.splitting.split_model import SplitModel
from autoscale_runtime.models.variant import served_name
from autoscale_runtime.sensors.hub import SensorHub
from autoscale_runtime.wire.access import Access, reached
from autoscale_runtime.wire.identity import is_digest

_LOG: Final = logging.getLogger("autoscale.session")


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """A model on another machine, as a session is given it.

    Attributes:
        address: ``host:port`` of a server that speaks the Open Inference Protocol; ``grpcs://host:port`` for TLS.
        model: its name there; empty for what ``autoscale serve`` calls that variant of the bundle.
        processor: what it runs on there.
        precision: in which it runs there.
        version: of the model there, as the server counts; empty leaves it to the server. An answer that reports
            another is none of this model's.
        sha256: of the file that must answer there, with its weights outside it; empty for any of the bundle's files of
            that precision, and for another that answers as they do. A server that reports none is verified by answers.
        tls: True for TLS with the usual roots, or a file in PEM of those to trust.
        certificate: file in PEM of this device's own, for mutual TLS.
        key: file in PEM of its private key; None where that stands in the certificate's file.
        token: a bearer token, or the ``Path`` of a file that holds one and is read again whenever it changes. Without
            TLS it goes to this machine alone.
        server_name: the name that the server's certificate has, where it is not the address's.
        splits: folders that ``autoscale split --out`` wrote: further targets there, each the tail of a network whose
            head runs here. The server has the tail by its own name (``net-tail20``). They are chosen where they are
            expected to be better than every whole target.

    Raises:
        InvalidInput: a wrong type, a sha256 that is none, no address, or what needs TLS without it.
    """

    address: str
    model: str = ""
    processor: str = "cpu"
    precision: str = "fp32"
    version: str = ""
    sha256: str = ""
    tls: bool | str | Path = False
    certificate: str | Path | None = None
    key: str | Path | None = None
    token: str | Path = field(default="", repr=False)
    server_name: str = ""
    splits: Sequence[str | Path] = ()

    def __post_init__(self) -> None:
        for name in ("address", "model", "processor", "precision", "version", "sha256"):
            check_type(f"a remote's {name}", getattr(self, name), str, "text")
        check_type("a remote's splits", self.splits, (list, tuple), "a list of folders")
        object.__setattr__(self, "splits", tuple(self.splits))
        object.__setattr__(self, "sha256", self.sha256.lower())
        if self.sha256 and not is_digest(self.sha256):
            raise InvalidInput(f"a remote's sha256 is '{self.sha256}'; allowed: 64 hexadecimal digits, or none")
        reached(self.address, self.access)

    @property
    def access(self) -> Access:
        """Whom the device trusts there, and by what it is known."""
        return Access(self.tls, self.certificate, self.key, self.token, self.server_name)


@dataclass(frozen=True, slots=True)
class Offer:
    """A target that a session may have.

    Attributes:
        target: as the session names it.
        make: a route to it; what runs there is not loaded yet.
        path: of the model file; None where it is on another machine.
        engine: the registered name of what runs it; empty where that is another machine's affair.
        is_extra: whether a session can do without it, where it cannot be loaded.
    """

    target: Target
    make: Callable[[], Route]
    path: Path | None = None
    engine: str = ""
    is_extra: bool = False


Offers = Mapping[Target, Offer]


def routes_of(
    bundle: Bundle,
    remotes: Mapping[str, RemoteModel],
    account: DeviceAccount,
    hub: SensorHub,
    pinned: Target | None = None,
    backends: Mapping[str, Backend] | None = None,
    splits: Sequence[str | Path] = (),
) -> list[Route]:
    """Every route a session may use; with a pinned target that one alone, and nothing else is loaded.

    An engine that cannot load a file that another one can is left out, with a warning.

    Args:
        bundle: the model.
        remotes: place and host (``cloud``, ``edge:tab-s6``) to the model there; no socket is opened.
        account: what the routes' work costs.
        hub: made with the names of the remotes.
        pinned: the only target wanted; the engine that ships for the format may be named or not.
        backends: what stands in the place of the engines registered by these names.
        splits: folders of the network in two parts, for slices over this device's own processors and engines.

    Raises:
        InvalidTarget: a place, processor or precision that does not exist, or a pinned target that is not here.
        InvalidInput: an address that is none.
        ModelError: a file that no engine can load.
        MissingExtra: the only variants are for a backend that is not installed.
        UnsupportedModel: no backend reads any of the variants.
    """
    offers = {
        each.target: each
        for each in (
            *_local(bundle, account, backends),
            *_remote(bundle, remotes, account, hub),
            *_split(bundle, remotes, account, hub, backends),
            *(Offer(*each, is_extra=True) for each in slices_of(bundle, splits, account, backends)),
        )
    }
    if pinned is not None:
        route = offers[_of_offers(pinned, offers)].make()
        route.load()
        return [route]
    return _opened(list(offers.values()))


def _of_offers(pinned: Target, offers: Offers) -> Target:
    """The offer that a caller means, who may name the engine that a target is printed without, or leave out the only
    one that has the target.
    """
    if pinned in offers:
        return pinned
    plain = replace(pinned, engine="")
    if plain in offers and offers[plain].engine == pinned.engine:
        return plain
    named = [each for each in offers if replace(each, engine="") == pinned]
    if len(named) == 1:
        return named[0]
    one_of("target", str(pinned), map(str, offers), InvalidTarget)
    return pinned


def _opened(offers: list[Offer]) -> list[Route]:
    """The routes, of each model in each engine one loaded: that shows whether the engine can; the others can wait."""
    routes = {offer.target: offer.make() for offer in offers}
    failures: list[tuple[Offer, ModelError]] = []
    loaded: set[tuple[object, ...]] = set()
    try:
        for offer in sorted(offers, key=lambda each: -(each.target.threads or 0)):
            key = offer.engine, offer.path, offer.target.processor
            try:
                if key not in loaded:
                    routes[offer.target].load()
                    loaded.add(key)
            except ModelError as error:
                routes.pop(offer.target).close()
                failures.append((offer, error))
        able = {path for _, path, _ in loaded}
        fatal = next((refusal for each, refusal in failures if each.path not in able and not each.is_extra), None)
        if fatal is not None:
            raise fatal
    except Exception:
        for route in routes.values():
            route.close()
        raise
    _tell(failures)
    return [routes[offer.target] for offer in offers if offer.target in routes]


def _tell(failures: list[tuple[Offer, ModelError]]) -> None:
    """Once an engine and file, however many targets it would have offered."""
    first = {(offer.engine, offer.path): refusal for offer, refusal in reversed(failures)}
    for (engine, path), refusal in first.items():
        _LOG.warning("engine '%s' is left out for '%s': %s", engine, path, refusal)


def _local(bundle: Bundle, account: DeviceAccount, backends: Mapping[str, Backend] | None) -> Iterator[Offer]:
    """Every variant on every target of every engine that reads it.

    The engine that ships for the format of a precision's first variant is printed without its name, installed or not.
    """
    known = [(variant, engine) for variant in bundle.variants for engine in engines(format_of(variant.path), backends)]
    if not known:
        found = listing(sorted({format_of(variant.path) for variant in bundle.variants}))
        raise UnsupportedModel(f"no backend reads the files of '{bundle.name}': {found}")
    contention: dict[str, Contention] = {}
    here = [(variant, engine) for variant, engine in known if engine.is_available]
    first = {variant.precision: variant for variant in reversed(bundle.variants)}
    for variant, engine in here or known[:1]:
        is_plain = engine.is_shipped and variant is first[variant.precision]
        shared = contention.setdefault(engine.name, Contention())
        copies = Copies(sum(each.stat().st_size for each in variant.files))
        alike: list[SizedMean] = []
        for own in engine.targets(variant.precision):
            load = partial(engine.load, variant.path, own, (bundle.inputs, bundle.outputs))
            runner = LazyRunner(copies, (bundle.inputs, bundle.outputs), load)
            try:
                target = own if is_plain else engine.named(own)
            except InvalidTarget as error:
                _LOG.warning("engine '%s' is left out: no target can carry its name: %s", engine.name, error)
                break
            accuracy, macs = bundle.profile.accuracy(target.precision), bundle.profile.macs
            known_s = measured_s(account.table.profile, bundle.profile, target, engine.name)
            model = LocalModel(target, runner, accuracy, macs, account, engine.is_shipped, known_s)
            yield Offer(target, partial(_route, model, shared, alike), variant.path, engine.name)


def _route(model: LocalModel, contention: Contention, alike: list[SizedMean]) -> Route:
    if model.target.processor == "cpu":
        return CpuRoute(model, contention, alike)
    return AcceleratorRoute(model)


def _remote(
    bundle: Bundle, remotes: Mapping[str, RemoteModel], account: DeviceAccount, hub: SensorHub
) -> Iterable[Offer]:
    targets = {Target.parse(f"{link}:{each.processor}/{each.precision}"): each for link, each in remotes.items()}
    for target in targets:
        if not target.is_remote:
            raise InvalidTarget(f"'{target}' is no remote target; allowed: 'cloud', 'edge', or 'edge:' and a name")
    return [Offer(target, partial(_connect, bundle, target, each, account, hub)) for target, each in targets.items()]


def _connect(bundle: Bundle, target: Target, remote: RemoteModel, account: DeviceAccount, hub: SensorHub) -> Route:
    # Here, since a session without remotes needs neither these nor gRPC, which takes a third of its import.
    from autoscale_runtime.device.routes.remote import RemoteRoute
    from autoscale_runtime.device.routes.remote_verification import RemoteVerification
    from autoscale_runtime.wire.runner import RemoteRunner

    name = remote.model or served_name(bundle.name, remote.precision)
    runner = RemoteRunner(remote.address, name, remote.version, (bundle.inputs, bundle.outputs), remote.access)
    verification = RemoteVerification(
        str(target),
        [each.name for each in bundle.outputs],
        partial(_digests, bundle, target.precision),
        remote.sha256,
        target.precision == reference_of(bundle).precision,
        RightAnswers(bundle),
        remote.version,
    )
    return RemoteRoute(target, runner, bundle, account, hub, verification)


def _split(
    bundle: Bundle,
    remotes: Mapping[str, RemoteModel],
    account: DeviceAccount,
    hub: SensorHub,
    backends: Mapping[str, Backend] | None,
) -> Iterator[Offer]:
    """The tails on other machines; each head runs in the engine that ships, on the CPU at its highest setting."""
    for link, remote in remotes.items():
        for folder in remote.splits:
            split = SplitModel.read(folder)
            split.check(bundle)
            path = split.head.variants[0].path
            engine = next(each for each in engines(format_of(path), backends) if each.is_available)
            own = [each for each in engine.targets(split.precision) if each.processor == "cpu"]
            here = max(own, key=lambda each: each.threads or 0, default=engine.on_cpu(split.precision, 1))
            target = Target.parse(f"{link}:{remote.processor}/{split.precision}@cut{split.after}")
            load = partial(engine.load, path, here)
            specs = split.head.inputs, split.head.outputs
            head = LazyRunner(Copies(sum(each.stat().st_size for each in split.head.variants[0].files)), specs, load)
            make = partial(_connect_split, bundle, target, remote, split, head, account, hub)
            yield Offer(target, make, path, engine.name)


def _connect_split(
    bundle: Bundle,
    target: Target,
    remote: RemoteModel,
    split: SplitModel,
    head: LazyRunner,
    account: DeviceAccount,
    hub: SensorHub,
) -> Route:
    from autoscale_runtime.device.routes.remote_verification import RemoteVerification  # here: as in _connect
    from autoscale_runtime.device.routes.split import SplitRoute
    from autoscale_runtime.wire.runner import RemoteRunner

    name = served_name(split.tail.name, split.precision)
    tail = RemoteRunner(remote.address, name, specs=(split.tail.inputs, split.tail.outputs), access=remote.access)
    verification = RemoteVerification(
        str(target),
        [each.name for each in bundle.outputs],
        lambda: frozenset(each.sha256 for each in split.tail.variants),
        is_same=target.precision == reference_of(bundle).precision,
        ask=RightAnswers(bundle),
    )
    return SplitRoute(target, head, tail, split, bundle, account, hub, verification)


def _digests(bundle: Bundle, precision: str) -> frozenset[str]:
    return frozenset(each.digest() for each in bundle.variants if each.precision == precision)
