"""Whether what a remote answers is this model's.

Our server reports the digest of the file that answered: where it is one of the bundle's, nothing has to be guessed, and
where it becomes another, the first answer shows it. What reports none, or one that nobody here knows (another
conversion of the network), is verified by its answers: they are held to the right ones until they tell it from another
network, again after each outage and each new connection, and from time to time.
"""

import logging
import threading
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from autoscale.errors import TargetError, WrongAnswer
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.device.query import Query
from autoscale_runtime.device.verification import (
    Ask,
    Reference,
    differing,
    disagreement,
    is_constant,
    is_much,
    retrained,
)
from autoscale_runtime.wire.identity import Identity

ENOUGH_QUERIES: Final = 8
"""So many right answers verify a remote whose outputs are too few, or too constant, to tell networks apart."""

_LOG: Final = logging.getLogger("autoscale.session")


@dataclass(slots=True)
class Trial:
    """Answers of one remote model, held to the right ones.

    Attributes:
        is_same: whether the right ones are of the same precision; see ``disagreement``.
        queries: how many were compared.
        is_won: whether they tell that the model is the right one.
    """

    is_same: bool
    queries: int = 0
    is_won: bool = False
    _seen: dict[str, tuple[Array, Array]] = field(default_factory=dict)

    def add(self, names: Sequence[str], right: Sequence[Array], outputs: Sequence[Array]) -> str | None:
        """Compare one more answer, and each output over all queries so far; what differs, or None."""
        reason = disagreement(right, outputs, self.is_same)
        if reason is not None:
            return reason
        self.queries += 1
        self.is_won = self.queries >= ENOUGH_QUERIES
        for name, *pair in zip(names, right, outputs, strict=True):
            before = self._seen.get(name, (pair[0].ravel()[:0], pair[1].ravel()[:0]))
            own, other = (np.concatenate([old, new.ravel()]) for old, new in zip(before, pair, strict=True))
            reason = differing(own, other, self.is_same) or (retrained(own, other) if self.is_same else None)
            if reason is not None:
                return reason
            self._seen[name] = own, other
            self.is_won |= is_much(own) and not is_constant(own)
        return None


class RemoteVerification:
    """Verification of one remote: what it has shown to be. Thread-safe.

    Args:
        name: of the target, for messages.
        names: of the model's outputs, in order.
        known: gives the digests of the model's files in the remote's precision; asked once, when first needed.
        wanted: the digest that the remote must report; empty for any of the known.
        is_same: whether the reference is of the same precision.
        ask: gives the right answer where no other reference was named.
        version: that a remote must report, if it reports any; empty for whichever.
    """

    def __init__(
        self,
        name: str,
        names: Sequence[str],
        known: Callable[[], Set[str]],
        wanted: str = "",
        is_same: bool = True,
        ask: Ask | None = None,
        version: str = "",
    ) -> None:
        self._name = name
        self._version = version
        self._names = tuple(names)
        self._ask_known = known
        self._known: Set[str] | None = {wanted} if wanted else None
        self._wanted = wanted
        self._is_same = is_same
        self._ask = ask
        self._is_random: Callable[[], bool] = lambda: False
        self._lock = threading.Lock()
        self._accepted: set[Identity] = set()
        self._refused: dict[Identity, str] = {}
        self._trials: dict[Identity, Trial] = {}
        self._latest: Identity | None = None
        self._met: Query | None = None
        self._evidence: tuple[Query, Callable[[], Sequence[Array]]] | None = None
        self.is_unverified = False

    @property
    def is_reported(self) -> bool:
        """Whether the remote says by itself which file answers."""
        return self._latest is not None and bool(self._latest.sha256)

    @property
    def evidence(self) -> tuple[Query, Sequence[Array]] | None:
        """A query and its right answer; None where there is none. TargetError where it cannot be had now."""
        known = self._evidence
        return None if known is None else (known[0], known[1]())

    def hold_to(self, query: Query, reference: Reference) -> None:
        """Take a query and its right answer."""
        self._evidence = query.kept(), reference.kept()
        if reference.ask is not None:
            self._ask = reference.ask
            self._is_random = lambda: reference.is_random

    def reverify(self) -> None:
        """Believe nothing of what was accepted for its answers; what the remote reports still counts."""
        with self._lock:
            self._accepted.clear()
            self._trials.clear()
            self.is_unverified = True

    def interrupted(self) -> None:
        """The remote was away: one that reports nothing may be another by now."""
        if not self.is_reported and self._evidence is not None:
            self.reverify()

    def meet(self, query: Query) -> None:
        """See a query that goes elsewhere: while nothing tells yet, it may be the next to verify by."""
        if self.is_unverified and self._met is None and self._trials:
            self._met = query.kept()

    def met(self) -> tuple[Query, Sequence[Array]] | None:
        """A query that came since, with its right answer; None where none did, or nobody can give it."""
        query, self._met = self._met, None
        right = None if query is None else self._right(query)
        return None if query is None or right is None else (query, right)

    def check(self, identity: Identity, query: Query, outputs: Sequence[Array]) -> None:
        """Take in an answer, before anybody gets it.

        Raises:
            WrongAnswer: it is another model's.
        """
        self._check_version(identity)
        identity = identity.key
        if self._accepts(identity):
            return
        if identity in self._refused:
            raise WrongAnswer(self._refused[identity])
        right = self._right(query)
        if right is None:
            if self._evidence is not None:
                _LOG.warning("target %s: nothing here can tell whether its answers are right", self._name)
                self._accept(identity)
            return
        try:
            self.verify(identity, query.output_names or self._names, right, outputs)
        except WrongAnswer:
            self._evidence = query.kept(), lambda: right  # this one tells
            raise

    def verify(
        self, identity: Identity, names: Sequence[str], right: Sequence[Array], outputs: Sequence[Array]
    ) -> bool:
        """Hold an answer to the right one; whether it is decided by now that the model is the right one.

        Raises:
            WrongAnswer: it is decided that it is not.
        """
        self._check_version(identity)
        identity = identity.key
        if self._accepts(identity):
            return True
        with self._lock:
            trial = self._trials.setdefault(identity, Trial(self._is_same))
            reason = trial.add(names, right, outputs)
            if reason is not None and self._is_random():
                reason, trial.is_won = None, True
            if reason is not None:
                self._trials.clear()
                self.is_unverified = True
                self._refused[identity] = f"{self._name} reports {identity}, and {reason}"
                raise WrongAnswer(self._refused[identity])
            if not trial.is_won:
                return False
        self._accept(identity)
        return True

    def _check_version(self, identity: Identity) -> None:
        if self._version and identity.version not in ("", self._version):
            self.is_unverified = True
            raise WrongAnswer(f"{self._name} reports version '{identity.version}'; allowed: '{self._version}'")

    def _accepts(self, identity: Identity) -> bool:
        if identity != self._latest:
            self._latest = identity
            if identity.sha256:
                self._tell(identity)
        digest = identity.sha256
        if digest and digest in self._digests():
            self.is_unverified = False
            return True
        if digest and self._wanted:
            self.is_unverified = True
            raise WrongAnswer(f"{self._name} reports model_sha256 {digest}; allowed: {self._wanted}")
        return identity in self._accepted

    def _accept(self, identity: Identity) -> None:
        with self._lock:
            self._trials.clear()
            self._accepted.add(identity)
            self._refused.pop(identity, None)
            self.is_unverified = False

    def _tell(self, identity: Identity) -> None:
        if not self._wanted and self._digests() and identity.sha256 not in self._digests():
            _LOG.warning(
                "target %s reports model_sha256 %s, which is none of this bundle's: its answers decide",
                self._name,
                identity.sha256,
            )

    def _digests(self) -> Set[str]:
        if self._known is None:
            self._known = self._ask_known()
        return self._known

    def _right(self, query: Query) -> Sequence[Array] | None:
        if self._ask is None:
            return None
        try:
            return self._ask(query)
        except TargetError:
            return None
