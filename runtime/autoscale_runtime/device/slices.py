"""Slices over this device's own processors and engines, as targets of a session: the head on one, the tail on another.

Any engine that reads a part's file can take that part. Two parts on the CPU have the same number of threads; an engine
hands nothing over to itself on the same processor.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

from autoscale.errors import InvalidTarget
from autoscale.query.target import Target
from autoscale_runtime.backends.base import Backend, Runner
from autoscale_runtime.backends.engines import Engine, Specs, engines, format_of
from autoscale_runtime.device.contention import Contention
from autoscale_runtime.device.copies import Copies, LazyRunner
from autoscale_runtime.device.halves import Halves, SlicesRunner
from autoscale_runtime.device.query_cost import DeviceAccount
from autoscale_runtime.device.routes.accelerator import AcceleratorRoute
from autoscale_runtime.device.routes.base import Route
from autoscale_runtime.device.routes.cpu import CpuRoute
from autoscale_runtime.device.routes.local import LocalModel
from autoscale_runtime.meters.modelled import SlicedDrawn
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.splitting.split_model import TAIL, SplitModel


class Slices(NamedTuple):
    """One target in two parts: how to make its route, its head's file, and what runs it."""

    target: Target
    make: Callable[[], Route]
    path: Path
    engine: str


class _Place(NamedTuple):
    """Where one part can run.

    Attributes:
        target: as a session names it.
        own: as the engine names it.
        engine: that runs the part.
        path: of the part's file.
        nbytes: of its files.
    """

    target: Target
    own: Target
    engine: Engine
    path: Path
    nbytes: int

    def load(self, specs: Specs) -> Runner:
        return self.engine.load(self.path, self.own, specs)


def slices_of(
    bundle: Bundle, folders: Sequence[str | Path], account: DeviceAccount, backends: Mapping[str, Backend] | None
) -> Iterator[Slices]:
    """Every pair of places for the two parts that ``autoscale split --out`` wrote to each folder.

    Args:
        bundle: the whole.
        folders: of the splits.
        account: what the parts' work costs.
        backends: what stands in the place of the engines registered by these names.

    Raises:
        ModelError: a part is missing or damaged, or is of another network.
    """
    for folder in folders:
        split = SplitModel.read(folder)
        split.check(bundle)
        tail = Bundle.read(Path(folder) / TAIL)
        share = split.head.profile.macs / max(split.head.profile.macs + tail.profile.macs, 1)
        copies: dict[tuple[str, ...], Copies] = {}
        pairs = product(_places(split.head, split.precision, backends), _places(tail, split.precision, backends))
        for first, last in pairs:
            target = _target(split.after, first.target, last.target)
            if target is None:
                continue
            names = first.engine.name, first.own.processor, last.engine.name, last.own.processor
            held = copies.setdefault(names, Copies(first.nbytes + last.nbytes))
            drawn = account.table.sliced(target, share)
            specs = (bundle.inputs, bundle.outputs)
            opened = partial(_open, first, last, (split.head, tail), specs, drawn)
            runner = LazyRunner(held, specs, opened)
            accuracy = bundle.profile.accuracy(split.precision)
            model = LocalModel(target, runner, accuracy, bundle.profile.macs, account, is_shipped=False)
            yield Slices(target, partial(_route, model), first.path, f"{first.engine.name} and {last.engine.name}")


def _places(part: Bundle, precision: str, backends: Mapping[str, Backend] | None) -> list[_Place]:
    """The engine that ships for the format of the first file is printed without its name, as of a whole network."""
    found, known = [], [each for each in part.variants if each.precision == precision]
    for variant in known:
        nbytes = sum(each.stat().st_size for each in variant.files)
        for engine in engines(format_of(variant.path), backends):
            for own in engine.targets(precision) if engine.is_available else ():
                try:
                    target = own if engine.is_shipped and variant is known[0] else engine.named(own)
                except InvalidTarget:  # of an engine whose name no target can carry plan.py tells
                    continue
                found.append(_Place(target, own, engine, variant.path, nbytes))
    return found


def _target(after: int, head: Target, tail: Target) -> Target | None:
    """The pair as one target; None where it is none."""
    is_one = (head.processor, head.engine) == (tail.processor, tail.engine)
    if is_one or (head.processor == tail.processor and head.threads != tail.threads):
        return None
    return replace(tail, cut=after, head=head)


def _open(first: _Place, last: _Place, parts: tuple[Bundle, Bundle], specs: Specs, drawn: SlicedDrawn) -> Runner:
    head = first.load((parts[0].inputs, parts[0].outputs))
    try:
        tail = last.load((parts[1].inputs, parts[1].outputs))
    except Exception:
        head.close()
        raise
    return SlicesRunner(Halves(head, tail, *specs), specs, drawn.learn)


def _route(model: LocalModel) -> Route:
    head = model.target.head
    if head is not None and {head.processor, model.target.processor} == {"cpu"}:
        return CpuRoute(model, Contention())
    return AcceleratorRoute(model)
