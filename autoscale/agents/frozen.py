"""Policies that learned elsewhere: plain arrays, a numpy forward pass over ``autoscale.agents.features``, no framework.

What a policy computes is of one of two kinds: ``scores``, one a target, the highest wins (Q-values, logits, votes);
or ``costs``, the logarithms of latency and objective of every target, and the cheapest that is in time wins.
"""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from autoscale.agents.base import Agent, Arrays, Choice
from autoscale.agents.features import FEATURES, Encoder, Rows
from autoscale.arrays import Indices
from autoscale.errors import InvalidInput, PolicyError, one_of
from autoscale.query.context import Context
from autoscale.query.target import Target

Singles = npt.NDArray[np.float32]

OUTPUTS: Final = {"scores": 1, "costs": 2}
"""What a policy may compute, and how many numbers a target that is."""

IN_TIME: Final = np.float32(1e3)
"""What being in time is worth beside the logarithm of a cost: more than any."""


class FrozenPolicy(Agent):
    """Chooses by arrays that no longer change; without any it does what the world's forecast says is best.

    A target known to be less accurate than the goal's floor is left out, whatever the arrays say.

    Raises:
        InvalidInput: from ``select``, before arrays were restored, in a world that has no forecast.
    """

    outputs: str = "scores"
    is_ready = False

    def __init__(self, targets: Sequence[Target], seed: int = 0) -> None:
        super().__init__(targets, seed)
        self._encode = Encoder()
        self._choices = [Choice(index, 1.0) for index in range(len(self.targets))]

    def select(self, context: Context) -> Choice:
        """The target of the highest score, or of the least cost in time, with certainty."""
        if not self.is_ready:
            return self._choices[self._forecast_best(context)]
        goal, candidates = context.goal, context.admitted
        if goal.min_accuracy is not None:
            candidates = self._accurate(context, goal.min_accuracy)
        values = self.evaluate(self._encode(context))
        worth = values[0] if self.outputs == "scores" else _worth(values, goal.latency_s)
        if candidates.size == worth.size:
            return self._choices[int(worth.argmax())]
        return self._choices[int(candidates[worth[candidates].argmax()])]

    @abstractmethod
    def evaluate(self, features: Rows) -> Singles:
        """What the policy says of every target, shape (1 or 2, targets): scores, or ln(latency_s) and ln(objective)."""

    @abstractmethod
    def check(self, state: Arrays) -> None:
        """Raise ValueError, KeyError, TypeError or IndexError unless arrays fit each other, features and targets."""

    @abstractmethod
    def prepare(self, state: Arrays) -> None:
        """Bring checked arrays into the form that is fast."""

    def state(self) -> Arrays:
        """The arrays, and the names of the features they are for; nothing before any were restored."""
        return {"features": np.array(FEATURES), **self._arrays} if self.is_ready else {}

    def restore(self, state: Arrays) -> None:
        """Take arrays.

        Raises:
            PolicyError: they do not fit each other, the targets, or the features of this release.
        """
        if not state:
            return
        arrays = {name: array for name, array in state.items() if name != "features"}
        if [*state.get("features", ())] != [*FEATURES]:
            raise PolicyError("it was trained on other features than this release has; train it anew")
        try:
            self.check(arrays)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise PolicyError(
                f"its arrays do not make a '{self.name}' of {len(self.targets)} targets: {error}"
            ) from error
        self._arrays = arrays
        self.prepare(arrays)
        self.is_ready = True

    def _forecast_best(self, context: Context) -> int:
        if context.forecast is None:
            raise InvalidInput(
                f"agent '{self.name}' was not trained, and this world has no forecast to follow; "
                "load a policy that 'autoscale train' made"
            )
        return context.forecast.best(context.goal, context.admitted)

    def _accurate(self, context: Context, floor: float) -> Indices:
        known = [context.model.accuracy(target.precision) for target in self.targets]
        accuracy = np.array([math.nan if each is None else each for each in known])[context.admitted]
        accurate = context.admitted[~(accuracy < floor)]
        return accurate if accurate.size else context.admitted[[accuracy.argmax()]]


@dataclass(frozen=True, slots=True)
class FrozenOptions:
    """What the arrays of a ``Frozen`` mean.

    Attributes:
        activation: between layers: ``tanh`` or ``relu``.
        outputs: of the last layer: ``scores`` or ``costs``.
    """

    activation: str = "tanh"
    outputs: str = "scores"

    def __post_init__(self) -> None:
        one_of("activation", self.activation, ("tanh", "relu"), InvalidInput)
        one_of("outputs", self.outputs, OUTPUTS, InvalidInput)


class Frozen(FrozenPolicy):
    """A multi-layer perceptron.

    Its arrays are ``weights0`` (inputs, outputs) and ``bias0`` (outputs,), ``weights1`` ... of the hidden layers, then
    ``head`` (inputs, 1 or 2, targets) and ``head_bias`` (1 or 2, targets).
    """

    name = "frozen"
    per_target = ("head", "head_bias")

    def __init__(self, targets: Sequence[Target], options: FrozenOptions | None = None, *, seed: int = 0) -> None:
        super().__init__(targets, seed)
        self.hyper = options or FrozenOptions()
        self.outputs = self.hyper.outputs

    @classmethod
    def from_options(cls, targets: Sequence[Target], options: Mapping[str, Any], seed: int = 0) -> "Frozen":
        """Make one from its options by name."""
        return cls(targets, FrozenOptions(**options), seed=seed)

    def options(self) -> Mapping[str, Any]:
        """What its arrays mean."""
        return asdict(self.hyper)

    def evaluate(self, features: Rows) -> Singles:
        """The forward pass."""
        values = features
        for weights, bias in self._hidden:
            values = weights.dot(values)
            values += bias
            if self.hyper.activation == "tanh":
                np.tanh(values, out=values)
            else:
                np.maximum(values, 0.0, out=values)
        outputs: Singles = self._head.dot(values) + self._head_bias
        return outputs.reshape(-1, len(self.targets))

    def check(self, state: Arrays) -> None:
        """Every layer takes what the one before it gives."""
        width, layers = len(FEATURES), _depth(state)
        for name in (f"weights{layer}" for layer in range(layers)):
            require_shape(state, name, (width, state[name].shape[-1]))
            width = state[name].shape[-1]
            require_shape(state, name.replace("weights", "bias"), (width,))
        require_shape(state, "head", (width, OUTPUTS[self.outputs], len(self.targets)))
        require_shape(state, "head_bias", (OUTPUTS[self.outputs], len(self.targets)))

    def prepare(self, state: Arrays) -> None:
        """Outputs by inputs, one input's weights side by side: the order in which small products are fastest."""
        self._hidden = [
            (_matrix(state[f"weights{layer}"]), state[f"bias{layer}"].astype(np.float32))
            for layer in range(_depth(state))
        ]
        self._head = _matrix(state["head"].reshape(state["head"].shape[0], -1))
        self._head_bias = state["head_bias"].astype(np.float32).ravel()


class LinearRegression(Frozen):
    """The paper's LR: costs linear in the features; a perceptron without hidden layers."""

    name = "lr"

    def __init__(self, targets: Sequence[Target], options: FrozenOptions | None = None, *, seed: int = 0) -> None:
        super().__init__(targets, options or FrozenOptions(outputs="costs"), seed=seed)


def require_shape(state: Arrays, name: str, shape: tuple[int, ...]) -> None:
    """Raise unless the state holds finite numbers of that shape under that name.

    Raises:
        ValueError: it does not.
    """
    have = state[name].shape if name in state else "nothing"
    if have != shape:
        raise ValueError(f"'{name}' is {have}, not {shape}")
    if state[name].dtype.kind not in "fiub":
        raise ValueError(f"'{name}' holds {state[name].dtype}, not numbers")
    if not np.isfinite(state[name]).all():
        raise ValueError(f"'{name}' holds what is not finite")


def _worth(costs: Singles, limit_s: float) -> Singles:
    return np.asarray(IN_TIME * (costs[0] <= math.log(limit_s)) - costs[1])


def _matrix(weights: npt.NDArray[Any]) -> Singles:
    return np.asfortranarray(weights.T, dtype=np.float32)


def _depth(state: Arrays) -> int:
    return sum(name.startswith("weights") for name in state)
