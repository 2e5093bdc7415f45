"""Training predictors: gather samples, then fit once."""

import math
from itertools import islice
from typing import Final

from autoscale.agents.base import Agent, Arrays
from autoscale_envs.training.predictors import fit
from autoscale_envs.training.samples import TrainingSet, concatenated, gather
from autoscale_envs.training.train import Report, Training
from autoscale_envs.worlds.parameters import make_parameters

AT_ONCE: Final = 25


class FittedLearner:
    """One sample a query; a sample holds what every target would have cost."""

    def __init__(self, training: Training) -> None:
        self.done = 0
        self._training = training
        self._parameters = make_parameters(training.options)
        self._samples = concatenated(self._parameters, ())

    def run(self, until: int, report: Report) -> None:
        """Gather samples; nothing is chosen, so there is no reward to report."""
        source = gather(self._parameters, self._training.seed, self.done)
        while self.done < until:
            fresh = concatenated(self._parameters, islice(source, min(AT_ONCE, until - self.done)))
            self._samples = concatenated(self._parameters, (self._samples, fresh))
            self.done = len(self._samples.best)
            if not report(self.done, math.nan):
                return

    def agent(self) -> Agent:
        """The predictor fitted to all samples so far."""
        return fit(self._training.agent, self._parameters.targets, self._samples, self._training.seed)

    def state(self) -> Arrays:
        """The samples."""
        return dict(self._samples._asdict())

    def restore(self, done: int, state: Arrays) -> None:
        """Take samples back."""
        self._samples = TrainingSet(**state)
        self.done = done
