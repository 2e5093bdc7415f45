"""A model on another machine, behind the Open Inference Protocol.

Not a ``Backend``: those load files for processors of this host. A session makes one runner for each remote target.
"""

import time
from collections.abc import Sequence
from typing import Final

from autoscale.errors import (
    DeadlineExceeded,
    FeedError,
    InvalidInput,
    TargetUnavailable,
    UnknownName,
    WrongAnswer,
    listing,
    one_of,
)
from autoscale_runtime.backends.base import Runner
from autoscale_runtime.backends.tensors import Feeds, TensorSpec, check_feeds, check_outputs
from autoscale_runtime.wire.access import Access
from autoscale_runtime.wire.client import OffloadClient, Reply
from autoscale_runtime.wire.cost import RemoteAnswer

Specs = tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]

DESCRIBE_TIMEOUT_S: Final = 10.0
"""How long the description of a model may take, where the query itself has no tighter limit."""

_UNKNOWN: Final[Specs] = ((), ())
"""What a server describes that does not know its model's tensors; the absent is not known, it is not none."""


class RemoteRunner(Runner):
    """One model of one server. Making it opens no socket; its first query connects.

    Args:
        address: ``host:port`` or ``grpcs://host:port``.
        model: its name there.
        version: of the model; empty leaves it to the server.
        specs: the inputs and outputs that the model must have; None takes the server's own description, for which the
            first query asks. A description without tensors, as some servers give, leaves both unknown: then whatever
            is fed is sent, and whatever comes back is the answer.
        access: whom it trusts there, and by what it is known.

    Raises:
        InvalidInput: not an address, or an access that cannot be.
    """

    def __init__(
        self, address: str, model: str, version: str = "", specs: Specs | None = None, access: Access | None = None
    ) -> None:
        self._client = OffloadClient(address, access)
        self._model = model
        self._version = version
        self._wanted = specs
        self._specs = specs

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:  # type: ignore[override]  # read from the server when asked for
        """As wanted, or as the server describes them; raises TargetError where it does not."""
        return self._describe(DESCRIBE_TIMEOUT_S)[0]

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:  # type: ignore[override]  # read from the server when asked for
        """As wanted, or as the server describes them; raises TargetError where it does not."""
        return self._describe(DESCRIBE_TIMEOUT_S)[1]

    def run(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None = None) -> RemoteAnswer:
        """Send one query and wait for its answer.

        Raises:
            FeedError: the feeds or output names are not the model's; nothing was sent.
            TargetUnavailable: the server cannot be reached, went away, or refused.
            DeadlineExceeded: no answer within ``timeout_s``.
            WrongAnswer: an answer that is none of this model's.
        """
        started_s = time.perf_counter()
        inputs, outputs = specs = self._describe(DESCRIBE_TIMEOUT_S if timeout_s is None else timeout_s)
        if specs != _UNKNOWN:
            check_feeds(inputs, feeds)
            for name in output_names or ():
                one_of("output", name, [each.name for each in outputs], FeedError)
        names = output_names or [each.name for each in outputs]
        # By name where it is known what the model must have: the server's may have more, in another order.
        reply = self._infer(output_names if self._wanted is None else names, feeds, _left(timeout_s, started_s))
        names = names or [*reply.outputs]
        check_outputs([each for each in outputs if each.name in names], reply.outputs)
        missing = [name for name in names if name not in reply.outputs]
        if missing:
            raise WrongAnswer(f"the answer lacks output '{missing[0]}'; it has {listing(reply.outputs) or 'none'}")
        return RemoteAnswer([reply.outputs[name] for name in names], reply.cost, reply.identity)

    @property
    def connection(self) -> int:
        """See ``OffloadClient.connection``."""
        return self._client.connection

    def probe(self, timeout_s: float) -> tuple[int, int]:
        """Ask for the model's description, the smallest sign that queries would be answered.

        Returns:
            bytes that were sent and received.

        Raises:
            TargetError: none came within ``timeout_s``.
        """
        self._specs = self._wanted
        try:
            return self._client.probe(self._model, self._version, timeout_s)
        except InvalidInput as refusal:
            raise TargetUnavailable(f"'{self._model}' is not served: {refusal}") from refusal

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def _infer(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None) -> Reply:
        try:
            return self._client.infer(self._model, feeds, output_names, self._version, timeout_s)
        except InvalidInput as refusal:
            # The feeds fit the description that it gave: their values do not (an index beyond its table), or it is
            # another model by now: ask again next time.
            self._specs = self._wanted
            how = (
                "is not served" if isinstance(refusal, UnknownName) else "refuses the query, or is another model there"
            )
            raise TargetUnavailable(f"'{self._model}' {how}: {refusal}") from refusal

    def _describe(self, timeout_s: float) -> Specs:
        specs = self._specs  # another thread may forget them meanwhile
        if specs is None:
            specs = self._specs = self._ask(timeout_s)
        return specs

    def _ask(self, timeout_s: float) -> Specs:
        try:
            return self._client.describe(self._model, self._version, min(timeout_s, DESCRIBE_TIMEOUT_S))
        except InvalidInput as refusal:
            raise TargetUnavailable(f"'{self._model}' is not served: {refusal}") from refusal


def _left(timeout_s: float | None, started_s: float) -> float | None:
    if timeout_s is None:
        return None
    left_s = timeout_s - (time.perf_counter() - started_s)
    if left_s <= 0.0:
        raise DeadlineExceeded(f"nothing is left of the {timeout_s} s allowed")
    return left_s
