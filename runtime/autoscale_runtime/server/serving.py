"""The models that are served at present, each with its queue: put there, replaced and taken away while queries run."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import grpc

from autoscale.errors import AutoScaleError, RepositoryError, UnknownName, listing, one_of
from autoscale_runtime.host.cores import usable_cores
from autoscale_runtime.server.execution.executor import Executor
from autoscale_runtime.server.execution.host import Asked, Host, Loaded
from autoscale_runtime.server.execution.served_model import Models, ServedModel
from autoscale_runtime.server.limits import Limits
from autoscale_runtime.server.repository.config_pbtxt import ModelConfig
from autoscale_runtime.server.repository.scan import Entry, Found
from autoscale_runtime.server.scheduling.scheduler import ALONE, OnBegin, OnEnd, Scheduler
from autoscale_runtime.server.statistics import Statistics

_LOG: Final = logging.getLogger("autoscale.server")

MOST_PROCESSES: Final = 16
"""Beyond so many models, those that name no group share processes: each takes some 80 MiB."""

_AT_ONCE: Final = max(2, usable_cores())
"""Groups that are loaded side by side."""

_EMPTIED_S: Final = 0.02
_LEFT_S: Final = 5.0

LONGEST_NAME: Final = 200
"""As much of a name that nothing has is told back."""

_PLAIN: Final = ModelConfig()


@dataclass(slots=True)
class Served:
    """One model, served.

    Attributes:
        entry: where it came from; None for one that was given, loaded.
        versions: of it.
        newest: of them, which answers where none is asked for.
        executor: what runs them.
        scheduler: its queue.
        statistics: what became of its queries.
        refused: versions that cannot be served, and why.
    """

    entry: Entry | None
    versions: Mapping[int, ServedModel]
    executor: Executor
    scheduler: Scheduler
    statistics: Statistics = field(default_factory=Statistics)
    refused: Mapping[int, AutoScaleError] = field(default_factory=dict)
    newest: ServedModel = field(init=False)

    def __post_init__(self) -> None:
        self.newest = self.versions[max(self.versions)]


class Serving:
    """Name to model. For the event loop.

    Attributes:
        models: that are served.
        left_out: paths that are not, and why.
        is_closed: it serves none any more.
        on_begin: told as a query is handed over; set before the first model is.
        on_end: told of each that was.

    Args:
        host: loads and runs them.
        limits: of each.
        on_change: told of a name and whether it is served now.
    """

    on_begin: OnBegin
    on_end: OnEnd

    def __init__(
        self,
        host: Host,
        limits: Limits,
        on_change: Callable[[str, bool], None] = lambda name, is_served: None,
    ) -> None:
        self._host, self._limits = host, limits
        self._on_change = on_change
        self.models: dict[str, Served] = {}
        self.left_out: dict[str, str] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._stamped: dict[str, object] = {}
        self.is_closed = False

    def versions(self) -> Models:
        """What is served."""
        return {name: each.versions for name, each in self.models.items()}

    def find(self, name: str, version: str = "") -> tuple[Served, ServedModel]:
        """The model of that name, in that version or the highest.

        Raises:
            UnknownName: there is none, or not in that version.
        """
        served = self.models.get(name)
        if served is None:
            one_of("model", name[:LONGEST_NAME], self.models)
            raise UnknownName(f"no model has a name of {len(name)} characters")
        if not version:
            return served, served.newest
        known = {str(each): model for each, model in served.versions.items()}
        if version not in known:
            wrong = f"model '{name}' has no version '{version[:LONGEST_NAME]}'"
            raise UnknownName(f"{wrong}; allowed: {listing(known)}")
        return served, known[version]

    async def update(self, found: Found) -> list[AutoScaleError]:
        """Serve what a repository holds now: load what is new or changed, let go what is no longer there.

        What was served goes on until its successor is loaded, and beyond that where its successor is worse.

        Returns:
            why something is left out, in the order it was met.
        """
        refused = [*found.refused.values()]
        self.left_out = {path: str(error) for path, error in found.refused.items()}
        for path, error in found.refused.items():
            _LOG.warning("'%s' is not served: %s", path, error)
        changed = [each for each in found.entries.values() if not self._is_current(each)]
        room = asyncio.Semaphore(_AT_ONCE)

        async def load(group: Sequence[Entry]) -> list[AutoScaleError]:
            async with room:
                return await self._load(group)

        for wrong in await asyncio.gather(*(load(group) for group in _groups(changed, len(found.entries)))):
            refused += wrong
        for name in [*self.models]:
            if name not in found.entries and not self._is_refused(name, found):
                self.unload(name)
        return refused

    async def load(self, entry: Entry) -> list[AutoScaleError]:
        """Serve what one model's folder holds now, likewise; what is left out of the others is as it was."""
        return [] if self._is_current(entry) else await self._load([entry])

    def put(
        self, name: str, versions: Mapping[int, ServedModel], executor: Executor, entry: Entry | None = None
    ) -> None:
        """Serve a loaded model; it takes the place of another one of its name without losing a query."""
        before = self.models.get(name)
        config = entry.config if entry is not None else _PLAIN
        batching = ALONE if any(each.is_apart for each in versions.values()) else config.batching
        if before is None:
            waiting = self._limits.max_waiting if config.max_waiting is None else config.max_waiting
            scheduler = Scheduler(
                name, executor, waiting, batching, self.on_begin, self.on_end, self._limits.max_compute_s
            )
            self.models[name] = Served(entry, versions, executor, scheduler)
        else:
            before.scheduler.move_to(executor, versions)
            self._let_go(before.scheduler, before.executor)
            before.scheduler.batching = batching
            self.models[name] = Served(entry, versions, executor, before.scheduler, before.statistics)
        executor.on_bloated = lambda: self._renew(executor)
        self._on_change(name, True)

    def unload(self, name: str) -> None:
        """Serve it no longer; queries that were admitted have their answers.

        Raises:
            UnknownName: it is not served.
        """
        one_of("model", name[:LONGEST_NAME], self.models)
        served = self.models.pop(name)
        self._let_go(served.scheduler, served.executor)
        self._on_change(name, False)

    def sweep(self) -> None:
        """End what has run too long."""
        for each in self.models.values():
            each.scheduler.sweep()

    @property
    def is_busy(self) -> bool:
        """Whether a query was admitted and has no answer."""
        return any(each.scheduler.is_busy for each in self.models.values())

    async def close(self) -> None:
        """End what runs and let all models go; what is being loaded is let go as it comes."""
        self.is_closed = True
        for each in self.models.values():
            each.scheduler.refuse_all(grpc.StatusCode.UNAVAILABLE, "the server is stopping")
        await asyncio.gather(*(each.executor.close() for each in self.models.values()))
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=_LEFT_S)
        for task in [*self._leaving]:
            task.cancel()

    def _is_current(self, entry: Entry) -> bool:
        served = self.models.get(entry.name)
        try:
            return served is not None and served.entry is not None and self._stamped.get(entry.name) == entry.stamp()
        except OSError:
            return False

    def _is_refused(self, name: str, found: Found) -> bool:
        """Whether a served model's folder is there but cannot be read any more: a bad one replaces no good one."""
        entry = self.models[name].entry
        return entry is not None and any(
            path in found.refused for each in entry.sources for path in map(str, each.path.parents)
        )

    async def _load(self, entries: Sequence[Entry]) -> list[AutoScaleError]:
        stamps = {each.name: _stamp(each) for each in entries}
        loaded = await self._host.load([self._asked(each) for each in entries])
        wrong: list[AutoScaleError] = []
        for entry in entries:
            refused = await self._take(entry, loaded[entry.name])
            self._stamped[entry.name] = None if refused else stamps[entry.name]  # what failed may do so no more
            wrong += refused
        return wrong

    async def _take(self, entry: Entry, loaded: Loaded) -> list[AutoScaleError]:
        """Serve what was loaded, if that is no step back."""
        before = self.models.get(entry.name)
        known = before.entry.sources if before is not None and before.entry is not None else ()
        for each in (*entry.sources, *known):
            for told in (each.path, *each.path.parents):
                self.left_out.pop(str(told), None)
        refused = dict(loaded.refused)
        versions = {}
        for version, model in loaded.versions.items():
            try:
                entry.config.check(model)
                versions[version] = model
            except RepositoryError as error:
                refused[version] = error
        for version, why in refused.items():
            path = next((each.path for each in entry.sources if each.version == version), entry.name)
            _LOG.warning("'%s' is not served: %s", path, why)
            self.left_out[str(path)] = str(why)
        for version, model in versions.items():
            if model.remark:
                _LOG.warning("version %d of '%s': %s", version, entry.name, model.remark)
        if entry.config.unfollowed:
            has = listing(entry.config.unfollowed)
            _LOG.warning("'%s': its config.pbtxt has %s, which changes nothing here", entry.name, has)
        lost = {*refused} & {*before.versions} if before is not None else set()
        if versions and not lost and not self.is_closed and loaded.executor is not None:
            self.put(entry.name, versions, loaded.executor, entry)
        elif loaded.executor is not None:
            await loaded.executor.close()
        if lost:
            wrong = f"of what it serves now, version {listing(sorted(lost))} cannot be loaded"
            _LOG.error("'%s' goes on as it was: %s", entry.name, wrong)
        return [*refused.values()]

    def _asked(self, entry: Entry) -> Asked:
        instances = entry.config.instances or self._limits.max_running
        return Asked(entry.name, entry.sources, instances, max(entry.config.batching.most, 1), entry.config.group)

    def _renew(self, executor: Executor) -> None:
        """Load anew what runs there, in a fresh process, and move over."""
        served = [each for each in self.models.values() if each.executor.owner is executor.owner]
        entries = [each.entry for each in served if each.entry is not None]
        _LOG.warning("the process of %s has grown; a new one takes its place", listing(each.name for each in entries))
        task = asyncio.get_running_loop().create_task(self._renewed(entries))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _renewed(self, entries: Sequence[Entry]) -> None:
        await self._load(entries)

    def _let_go(self, scheduler: Scheduler, executor: Executor) -> None:
        task = asyncio.get_running_loop().create_task(self._close_idle(scheduler, executor))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _close_idle(self, scheduler: Scheduler, executor: Executor) -> None:
        """Once no query of the scheduler's runs there, nor waits for it."""
        while scheduler.runs_on(executor) or (scheduler.waiting and scheduler.hands_to(executor)):
            await asyncio.sleep(_EMPTIED_S)
        await executor.close()


def _stamp(entry: Entry) -> object:
    try:
        return entry.stamp()
    except OSError:
        return None


def _groups(entries: Sequence[Entry], count: int) -> list[list[Entry]]:
    """Which share a process: those of one group; each other one has its own, as long as there are few."""
    groups: dict[str, list[Entry]] = {}
    for number, entry in enumerate(entries):
        own = str(number) if count <= MOST_PROCESSES else str(number % MOST_PROCESSES)
        groups.setdefault(f"group {entry.config.group}" if entry.config.group else own, []).append(entry)
    return [*groups.values()]
