"""Training agents that learn from every query: the same loop as on a device."""

import json
from typing import Final

import numpy as np

from autoscale.agents.base import Agent, Arrays, make_agent
from autoscale.errors import PolicyError
from autoscale.loop import run_query
from autoscale_envs.training.train import Report, Training
from autoscale_envs.worlds.parameters import make_parameters
from autoscale_envs.worlds.sim_world import SimWorld

REPORT_EVERY: Final = 100
_RANDOM: Final = "random_state"


class OnlineLearner:
    """One episode after another, each with hidden factors of its own.

    An episode's seed follows from the query it begins with, so a training resumed where an episode ended goes on
    exactly as if it had never stopped; resumed elsewhere, it begins a new episode.
    """

    def __init__(self, training: Training, start: Agent | None = None) -> None:
        self.done = 0
        self._parameters = make_parameters(training.options)
        self._seed = training.seed
        self._agent = start or make_agent(training.agent, self._parameters.targets, training.seed)

    def run(self, until: int, report: Report) -> None:
        """Live through episodes."""
        while self.done < until:
            episode = self._parameters.options.queries
            if not self._live(min(until, self.done + episode - self.done % episode), report):
                return

    def agent(self) -> Agent:
        """The agent itself."""
        return self._agent

    def state(self) -> Arrays:
        """The agent's, and its random generator's."""
        random = json.dumps(self._agent.rng.bit_generator.state).encode()
        return {**self._agent.state(), _RANDOM: np.frombuffer(random, dtype=np.uint8)}

    def restore(self, done: int, state: Arrays) -> None:
        """Go on from what ``state`` gave.

        Raises:
            PolicyError: the arrays are not this agent's.
        """
        if _RANDOM not in state:
            raise PolicyError(f"the checkpoint lacks '{_RANDOM}'")
        self._agent.rng.bit_generator.state = json.loads(state.pop(_RANDOM).tobytes())
        self._agent.restore(state)
        self.done = done

    def _live(self, until: int, report: Report) -> bool:
        seed = int(np.random.SeedSequence((self._seed, self.done)).generate_state(1)[0])
        world, rewards = SimWorld(self._parameters, seed), []
        while self.done < until:
            _, _, decision = run_query(world, self._agent, None, "AUTO")
            rewards.append(decision.reward)
            self.done += 1
            if self.done % REPORT_EVERY == 0 or self.done == until:
                if not report(self.done, float(np.mean(rewards))):
                    return False
                rewards.clear()
        return True
