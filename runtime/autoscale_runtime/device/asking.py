"""Makes queries of what callers ask, checked."""

from collections.abc import Sequence
from dataclasses import replace
from types import NoneType

from autoscale.errors import InvalidGoal, check_type
from autoscale.query.goal import Goal
from autoscale_runtime.backends.cancellation import Cancellation
from autoscale_runtime.backends.tensors import Feeds, TensorSpec
from autoscale_runtime.device.feeds import arrays_of, check_query
from autoscale_runtime.device.query import Binding, Query
from autoscale_runtime.device.sized_mean import Sizes


class Asking:
    """Queries to one network.

    Args:
        inputs: of the network.
        may_leave: whether their data may leave this device, where a query does not say.
    """

    def __init__(self, inputs: Sequence[TensorSpec], may_leave: bool) -> None:
        self._inputs, self._may_leave = inputs, may_leave
        self._sizes = Sizes(inputs)

    def usual(self, output_names: Sequence[str] | None, arrays: Feeds) -> Query:
        """A query that is as the session has it, of feeds that are arrays (``arrays_of``)."""
        return Query(output_names, arrays, self._sizes.of(arrays), may_leave=self._may_leave)

    def own(
        self,
        feeds: Feeds,
        output_names: Sequence[str] | None,
        goal: Goal | None,
        consent: bool | None,
        cancellation: Cancellation | None,
        stream: Binding | None = None,
    ) -> Query:
        """A query that says for itself what it must achieve; arguments as for ``Session.query``.

        Raises:
            FeedError: the feeds are no tensors, or the output names no names.
            InvalidGoal: the goal is none.
            InvalidInput: the consent is none.
        """
        check_query(output_names, feeds)
        check_type("goal", goal, (Goal, NoneType), "a Goal, as in Goal(objective='energy'), or None", InvalidGoal)
        check_type("consent", consent, (bool, NoneType), "True where the data may leave this device, False, or None")
        query = self.usual(output_names, arrays_of(self._inputs, feeds))
        may_leave = query.may_leave if consent is None else consent
        return replace(query, goal=goal, may_leave=may_leave, cancellation=cancellation, stream=stream)
