"""A model that is loaded when it is first wanted, and held no more often than its size allows."""

import time
from collections.abc import Callable, Sequence
from threading import RLock
from typing import Final

from autoscale.errors import ModelError, TargetError, TargetUnavailable
from autoscale_runtime.backends.base import Answer, Runner
from autoscale_runtime.backends.engines import Specs
from autoscale_runtime.backends.tensors import Feeds
from autoscale_runtime.host.memory import give_back_freed_memory

MOST_SPARE_BYTES: Final = 8 << 20
"""What copies beyond the first may take, for each variant in each engine: small models keep every setting loaded."""


class Copies:
    """One variant in one engine, loaded at one setting, or at several where it is small. Thread-safe.

    Engines pack the weights for themselves when they load them, so that two settings share none of them.

    Args:
        nbytes: of its files.
    """

    def __init__(self, nbytes: int) -> None:
        self.opening_s = 0.0
        self._nbytes = nbytes
        self._held: list[LazyRunner] = []
        self._guard = RLock()

    def may_hold(self, count: int) -> bool:
        """Whether so many copies may be loaded at once."""
        return (count - 1) * self._nbytes <= MOST_SPARE_BYTES

    def is_open_to(self, runner: "LazyRunner") -> bool:
        """Whether a setting is loaded, is being loaded, or may be loaded beside those that are."""
        return runner in self._held or self.may_hold(len(self._held) + 1)

    def load(self, wanted: "LazyRunner") -> Runner:
        """The model at that setting; where there is no room, the others are let go first.

        Raises:
            ModelError, MissingExtra: as the engine does.
        """
        with self._guard:
            if wanted.loaded is not None:
                return wanted.loaded
            if not self.is_open_to(wanted):
                self.drop(*self._held)
            return self._open(wanted)

    def replace(self, old: "LazyRunner", new: "LazyRunner") -> None:
        """Let one setting go and load another; a query that comes meanwhile waits for it.

        Raises:
            ModelError, MissingExtra: as the engine does; the old setting is loaded when it is next wanted.
        """
        with self._guard:
            self._held.append(new)
            self.drop(old)
            self._open(new)

    def _open(self, wanted: "LazyRunner") -> Runner:
        started_s = time.perf_counter()
        try:
            loaded = wanted.loaded = wanted.open()
        except Exception:
            self.drop(wanted)
            raise
        self.opening_s = time.perf_counter() - started_s
        if wanted not in self._held:
            self._held.append(wanted)
        self._tidy()
        return loaded

    def _tidy(self) -> None:
        if self._nbytes > MOST_SPARE_BYTES:
            give_back_freed_memory()

    def drop(self, *runners: "LazyRunner") -> None:
        """Let copies go, once the queries under way have their answers."""
        with self._guard:
            for each in runners:
                loaded, each.loaded = each.loaded, None
                if each in self._held:
                    self._held.remove(each)
                if loaded is not None:
                    loaded.close()


class LazyRunner(Runner):
    """A model at one setting, loaded for its first query.

    Args:
        copies: of the same variant in the same engine.
        specs: what the model takes and gives.
        open: loads it.

    Attributes:
        loaded: the model; None while it is not.
    """

    def __init__(self, copies: Copies, specs: Specs, open: Callable[[], Runner]) -> None:
        self.inputs, self.outputs = specs
        self.copies = copies
        self.loaded: Runner | None = None
        self.open = open
        self._is_closed = False

    @property
    def is_ready(self) -> bool:
        """Whether it is loaded, or can be without another being let go."""
        return self.loaded is not None or self.copies.is_open_to(self)

    @property
    def coverage(self) -> float | None:  # type: ignore[override]  # known once it is loaded
        """As the model says; None while it is not loaded."""
        return None if self.loaded is None else self.loaded.coverage

    def run(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None = None) -> Answer:
        """Answer one query, after loading the model where it is not."""
        loaded = self.loaded or self._load()
        try:
            return loaded.run(output_names, feeds, timeout_s)
        except TargetUnavailable:
            if loaded is self.loaded:
                raise
            return self._load().run(output_names, feeds, timeout_s)  # it was let go a moment ago

    def load(self) -> Runner:
        """The model, loaded where it is not.

        Raises:
            ModelError, MissingExtra: as the engine does.
        """
        return self.copies.load(self)

    def is_random(self) -> bool:
        """As the model says."""
        return (self.loaded or self._load()).is_random()

    def reset(self) -> None:
        """Begin a new stream; a model that is not loaded begins one when it is."""
        loaded = self.loaded
        if loaded is not None:
            loaded.reset()

    def close(self) -> None:
        """Let the model go, and load it no more."""
        self._is_closed = True
        self.copies.drop(self)

    def _load(self) -> Runner:
        if self._is_closed:
            raise TargetUnavailable("the model was closed; load it again")
        try:
            return self.load()
        except ModelError as error:
            raise TargetError(f"the model cannot be loaded: {error}") from error
