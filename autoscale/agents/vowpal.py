"""Vowpal Wabbit's contextual bandit as a yardstick: SquareCB on action-dependent features. Needs the extra ``vw``.

Foster and Rakhlin, Beyond UCB: Optimal and Efficient Contextual Bandits with Regression Oracles (ICML 2020, arXiv
2002.04926), as Vowpal Wabbit 9 implements it (``--cb_explore_adf --squarecb``), with its own defaults but for crossing
the features of the query with those of the target. It sees what the other learners see: network, load, heat, links, of
each target its parts and what the world expects of it. Costs are logarithms of the (negative) reward: see
``autoscale_envs.training.sb3`` for why.
"""

import math
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from autoscale.agents.base import Agent, Arrays, Choice
from autoscale.arrays import Floats
from autoscale.errors import PolicyError
from autoscale.extras import package
from autoscale.query.context import Context
from autoscale.query.outcome import Outcome
from autoscale.query.target import Target

ARGUMENTS: Final = "--cb_explore_adf --squarecb --interactions sa --quiet"
"""Namespaces: ``s`` is of the query, ``a`` of the target, ``f`` of what is expected of it."""
LEAST_COST: Final = 1e-3
"""Of the reference query's; cheaper ones are all alike to a logarithm."""
Bytes = npt.NDArray[np.uint8]
_MODEL: Final = "model"
_SEEDS: Final = 2**31 - 1


class VowpalSquareCb(Agent):
    """Vowpal Wabbit's SquareCB.

    Raises:
        MissingExtra: the package vowpalwabbit is not installed.
    """

    name = "vw-squarecb"
    is_by_name = True

    def __init__(self, targets: Sequence[Target], seed: int = 0) -> None:
        super().__init__(targets, seed)
        self._actions = [f"|a {_word(each)} {' '.join(_parts(each))}" for each in self.targets]
        self._seed = seed % _SEEDS
        self._machine = _workspace(f"{ARGUMENTS} --random_seed {self._seed}")
        self._asked: tuple[Context, list[Any], Floats] | None = None

    def select(self, context: Context) -> Choice:
        """One of the admitted targets, drawn by the machine's chances."""
        chances = self._chances(context)
        number = min(int(chances.cumsum().searchsorted(self.rng.random(), side="right")), chances.size - 1)
        return Choice(int(context.admitted[number]), float(chances[number]))

    def probabilities(self, context: Context) -> Floats:
        """As the machine says, shape (targets,)."""
        everywhere: Floats = np.zeros(len(self.targets))
        everywhere[context.admitted] = self._chances(context)
        return everywhere

    def learn(
        self, context: Context, index: int, outcome: Outcome, reward: float, next_context: Context | None = None
    ) -> None:
        """One step of its regression on the cost, weighed by the chance that the target had."""
        if index not in context.admitted:  # tried by calibration or a fallback: it has no chance to be weighed by
            return
        chances = self._chances(context)
        assert self._asked is not None
        parsed, number = self._asked[1], int(np.flatnonzero(context.admitted == index)[0])
        cost = math.log(max(-reward, LEAST_COST))
        parsed[number + 1].set_label_string(f"0:{cost:.6g}:{max(float(chances[number]), 1e-6):.6g}")
        self._machine.learn(parsed)
        self._forget()

    def state(self) -> Arrays:
        """The machine's own file, as bytes: as one writes it that was just loaded, whose running counts are 0."""
        return {_MODEL: _file_of(_loaded(_file_of(self._machine)))}

    def restore(self, state: Arrays) -> None:
        """Go on from such a file.

        Raises:
            PolicyError: it is missing, or the machine cannot read it.
        """
        if state.keys() != {_MODEL}:
            raise PolicyError(f"agent '{self.name}' needs its model, but the policy holds {sorted(state)}")
        self._forget()
        try:
            self._machine = _loaded(state[_MODEL])
        except RuntimeError as error:
            raise PolicyError(f"agent '{self.name}' cannot read its model: {error}") from error

    def _chances(self, context: Context) -> Floats:
        """Of each admitted target, of sum 1; asked once for a context until something is learned."""
        if self._asked is None or self._asked[0] is not context:
            self._forget()
            parsed = self._machine.parse(self._lines(context))
            chances = np.array(self._machine.predict(parsed), dtype=np.float64)
            self._asked = context, parsed, chances / chances.sum()
        return self._asked[2]

    def _forget(self) -> None:
        """Give back what was parsed of the last question; parsing it again to learn would take as long as all else."""
        if self._asked is not None:
            self._machine.finish_example(self._asked[1])
        self._asked = None

    def _lines(self, context: Context) -> list[str]:
        told = _expected(context)
        lines = [f"shared |s {_query(context)}"]
        return lines + [f"{self._actions[each]}{told[each] if told else ''}" for each in context.admitted.tolist()]


def _workspace(arguments: str) -> Any:
    return package("vowpalwabbit", "vw", f"agent '{VowpalSquareCb.name}'").Workspace(arguments)


def _file_of(machine: Any) -> Bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.vw")
        machine.save(str(path))
        return np.frombuffer(path.read_bytes(), dtype=np.uint8)


def _loaded(file: Bytes) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.vw")
        path.write_bytes(file.astype(np.uint8).tobytes())
        return _workspace(f"--quiet -i {path}")


@lru_cache(maxsize=4096)
def _word(thing: object) -> str:
    """A name that the machine's text format can hold."""
    return "".join(each if each.isalnum() else "_" for each in str(thing)) or "_"


def _parts(target: Target) -> list[str]:
    """What targets have in common, and how high the setting is."""
    kinds = (target.place, target.processor, target.precision, target.engine or "")
    height = (target.frequency_hz or 0) / 1e9 + (target.threads or 0) / 4
    return [*(f"{number}_{_word(each)}" for number, each in enumerate(kinds)), f"height:{height:.4g}"]


def _query(context: Context) -> str:
    """What is seen, each figure near 0 to 1."""
    seen = context.observation
    figures = {"load": seen.cpu_load, "memory": seen.memory_load, "heat": _scaled(seen.temperature_c, 25.0, 50.0)}
    for name, link in seen.links.items():
        figures[f"signal_{_word(name)}"] = _scaled(link.rssi_dbm, -90.0, 50.0)
    words = [f"{name}:{value:.4g}" for name, value in figures.items() if value is not None]
    return " ".join([f"network_{_word(context.model.name)}", *words])


def _scaled(value: float | None, zero: float, unit: float) -> float | None:
    return None if value is None else (value - zero) / unit


def _expected(context: Context) -> list[str] | None:
    """Of each target the logarithm of what is expected, and whether it is late, where the world says."""
    forecast, goal = context.forecast, context.goal
    if forecast is None:
        return None
    costs, late = forecast.objective(goal) / context.reference, forecast.latency_s > goal.latency_s
    return [
        f" |f cost:{math.log(max(cost, LEAST_COST)):.4g}{' late' * is_late}" if math.isfinite(cost) else ""
        for cost, is_late in zip(costs.tolist(), late.tolist(), strict=True)
    ]
