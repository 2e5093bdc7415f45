"""A session's answer to a query: given at once, while what is believed afterwards may still be worked out."""

from collections.abc import Callable

from autoscale.query.record import Decision
from autoscale_runtime.backends.base import Answer
from autoscale_runtime.backends.tensors import Array


class DecidedAnswer(Answer):
    """The outputs in the order asked for; ``decision`` is whole, and waits until it is.

    Args:
        outputs: of the target that answered.
        decision: what was decided, or what tells it once everything was learned from it.
    """

    __slots__ = ("_decision",)

    _decision: Decision | Callable[[], Decision] | None

    def __init__(self, outputs: list[Array], *, decision: Decision | Callable[[], Decision] | None) -> None:
        object.__setattr__(self, "outputs", outputs)
        object.__setattr__(self, "_decision", decision)

    @property
    def decision(self) -> Decision | None:
        """What was decided."""
        known = self._decision
        return known() if callable(known) else known

    def __repr__(self) -> str:
        """Without the decision: asyncio prints results while nobody wants to wait."""
        return f"{type(self).__name__}(outputs={self.outputs!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return _plain, (self.outputs, self.decision)


def _plain(outputs: list[Array], decision: Decision | None) -> Answer:
    return Answer(outputs, decision=decision)
