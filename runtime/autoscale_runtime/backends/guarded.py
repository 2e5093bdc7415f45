"""Another author's runner, held to the promises of ``Runner``: what it breaks costs an attempt, not the application."""

import logging
from collections.abc import Sequence
from typing import Final

import numpy as np

from autoscale.errors import FeedError, TargetError, WrongAnswer, one_of
from autoscale_runtime.backends.base import Answer, Runner
from autoscale_runtime.backends.tensors import Array, Feeds, TensorSpec, check_feeds, check_outputs

_LOG: Final = logging.getLogger("autoscale.session")


class GuardedRunner(Runner):
    """Answers with the outputs that the model has, or raises TargetError.

    Args:
        engine: the registered name, for messages.
        runner: what is guarded.
        inputs: of the model, as the engine that described it has them; None takes the runner's word.
        outputs: likewise.
    """

    def __init__(
        self,
        engine: str,
        runner: Runner,
        inputs: tuple[TensorSpec, ...] | None = None,
        outputs: tuple[TensorSpec, ...] | None = None,
    ) -> None:
        self.inputs = runner.inputs if inputs is None else inputs
        self.outputs = runner.outputs if outputs is None else outputs
        self._engine = engine
        self._runner = runner
        self.coverage = runner.coverage
        self._specs = {spec.name: spec for spec in self.outputs}

    def run(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None = None) -> Answer:
        """Answer one query; the feeds are checked only once the runner fails on them."""
        names = output_names or [*self._specs]
        try:
            answer = self._runner.run(output_names, feeds, timeout_s)
            given = dict(zip(names, map(_array, answer.outputs), strict=True))
            check_outputs([self._specs[name] for name in names], given)
        except TargetError:
            raise
        except (Exception, SystemExit) as error:  # a plug-in may raise, and answer with, anything
            self._check_query(names, feeds)
            raise TargetError(f"engine '{self._engine}' failed: {error!r}") from error
        return answer

    def is_random(self) -> bool:
        """As the runner says."""
        try:
            return bool(self._runner.is_random())
        except Exception:  # a plug-in may raise anything
            return False

    def reset(self) -> None:
        """As the runner does."""
        self._runner.reset()

    def close(self) -> None:
        """Let the runner go; one that will not keeps no other from being let go."""
        try:
            self._runner.close()
        except (Exception, SystemExit) as error:  # a plug-in may raise anything
            _LOG.warning("engine '%s' cannot let its model go: %r", self._engine, error)

    def _check_query(self, names: Sequence[str], feeds: Feeds) -> None:
        """Raise FeedError where the fault is the caller's."""
        for name in names:
            one_of("output", name, self._specs, FeedError)
        check_feeds(self.inputs, feeds)


def _array(output: object) -> Array:
    if not isinstance(output, np.ndarray):
        raise WrongAnswer(f"an output came back as {type(output).__name__}, not as an array")
    return output
