"""A stream of queries, as its caller holds it."""

from collections.abc import Callable, Sequence
from typing import NoReturn

from autoscale.query.goal import Goal
from autoscale_runtime.backends.base import Answer
from autoscale_runtime.backends.tensors import Array, Feeds
from autoscale_runtime.device.query import Binding, Query


class Stream:
    """Queries that are answered where the first of them was; made by ``Session.stream``.

    Args:
        ask: makes a query, with the stream as its last argument.
        answer: answers it, with its timeout in seconds.
    """

    def __init__(self, ask: Callable[..., Query], answer: Callable[[Query, float | None], Answer]) -> None:
        self._ask = ask
        self._answer = answer
        self._binding = Binding()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a stream cannot be pickled or copied: it is on a target that its session has open here")

    def run(self, output_names: Sequence[str] | None, feeds: Feeds) -> list[Array]:
        """As ``Session.run``."""
        return self.query(feeds, output_names).outputs

    def query(
        self,
        feeds: Feeds,
        output_names: Sequence[str] | None = None,
        *,
        goal: Goal | None = None,
        consent: bool | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """As ``Session.query``."""
        return self._answer(self._ask(feeds, output_names, goal, consent, None, self._binding), timeout_s)
