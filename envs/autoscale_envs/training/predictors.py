"""The paper's predictors (AutoScale, MICRO 2020, section 3.3), fitted with scikit-learn and exported as plain arrays.

LR, SVR and BO (a Gaussian process) predict what every target costs; SVM and KNN name the best target outright. None
learns on after that: what separates them from the learners. Costs are fitted in logarithms, features standardised.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

import numpy as np

from autoscale.agents.base import Agent, Arrays, make_agent
from autoscale.agents.features import FEATURES, Rows
from autoscale.arrays import Floats
from autoscale.errors import InvalidInput, MissingExtra, one_of
from autoscale.query.target import Target
from autoscale_envs.training.samples import TrainingSet, concatenated, gather
from autoscale_envs.worlds.options import WorldOptions
from autoscale_envs.worlds.parameters import make_parameters

SAMPLES: Final = 300
LEAST_SAMPLES: Final = 20

RIDGE: Final = 1.0
"""Of LR: ten networks cannot tell ten features of a network apart without it."""
SVR_COST: Final = 10.0
SVR_TUBE: Final = 0.1
SVM_COST: Final = 10.0
TUNED_ON: Final = 100
"""Samples on which the Gaussian process chooses its kernel's width and noise; the time grows with their cube."""
NEVER: Final = -1e3
"""The score of a target that was best in no sample."""


def fit_predictor(
    name: str, options: WorldOptions, networks: Sequence[str], seed: int = 0, samples: int = SAMPLES
) -> Agent:
    """A predictor fitted to contexts of the given networks in the simulator.

    Args:
        name: ``lr``, ``svr``, ``svm``, ``knn`` or ``bo``.
        options: the world; its own networks do not count.
        networks: to sample from; leave one out to see how the predictor does on a network it never met.
        seed: of the samples and the fit.
        samples: how many contexts.

    Raises:
        UnknownName: no such predictor.
        InvalidInput: fewer than ``LEAST_SAMPLES`` samples.
        MissingExtra: scikit-learn is not installed.
    """
    one_of("predictor", name, FITS)
    parameters = make_parameters(replace(options, networks=tuple(networks)))
    return fit(name, parameters.targets, concatenated(parameters, islice(gather(parameters, seed), samples)), seed)


def fit(name: str, targets: Sequence[Target], samples: TrainingSet, seed: int = 0) -> Agent:
    """The agent of that name for these samples; arguments and errors as for ``fit_predictor``."""
    if len(samples.best) < LEAST_SAMPLES:
        raise InvalidInput(f"{len(samples.best)} samples; '{name}' needs {LEAST_SAMPLES} or more")
    try:
        arrays = FITS[name](samples, len(targets))
    except ImportError as error:
        raise MissingExtra("scikit-learn", "train", f"fitting '{name}'") from error
    agent = make_agent(name, targets, seed)
    agent.restore({"features": np.array(FEATURES), **arrays})
    return agent


def _linear(samples: TrainingSet, targets: int) -> Arrays:
    from sklearn.linear_model import Ridge

    model = Ridge(RIDGE).fit(_standard(samples.features), _logs(samples))
    weights = model.coef_ * _inverse_spreads(samples.features)
    bias = model.intercept_ - weights @ samples.features.mean(axis=0)
    return {"head": weights.T.reshape(-1, 2, targets), "head_bias": bias.reshape(2, targets)}


def _support_vector_regression(samples: TrainingSet, targets: int) -> Arrays:
    from sklearn.svm import SVR

    inputs, logs = _standard(samples.features), _logs(samples)
    means, spreads = logs.mean(axis=0), logs.std(axis=0) + 1e-9
    gamma = 1.0 / len(FEATURES)
    dual, bias = np.zeros_like(logs), np.zeros(logs.shape[1])
    for column, values in enumerate(((logs - means) / spreads).T):
        model = SVR(C=SVR_COST, epsilon=SVR_TUBE, gamma=gamma).fit(inputs, values)
        dual[model.support_, column], bias[column] = model.dual_coef_[0], model.intercept_[0]
    return _kernel(samples.features, gamma, dual * spreads, bias * spreads + means, targets)


def _gaussian_process(samples: TrainingSet, targets: int) -> Arrays:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    logs = _logs(samples)
    means, spreads = logs.mean(axis=0), logs.std(axis=0) + 1e-9
    kernel = ConstantKernel(1.0) * RBF(len(FEATURES) ** 0.5) + WhiteKernel(0.05)
    inputs, outputs = _standard(samples.features), (logs - means) / spreads
    tuned = GaussianProcessRegressor(kernel).fit(inputs[:TUNED_ON], outputs[:TUNED_ON]).kernel_
    model = GaussianProcessRegressor(tuned, optimizer=None).fit(inputs, outputs)
    bump = model.kernel_.k1
    gamma, dual = 0.5 / bump.k2.length_scale**2, bump.k1.constant_value * model.alpha_
    return _kernel(samples.features, gamma, dual * spreads, means, targets)


def _support_vector_machine(samples: TrainingSet, targets: int) -> Arrays:
    from sklearn.svm import SVC

    inputs, gamma = _standard(samples.features), 1.0 / len(FEATURES)
    dual, bias = np.zeros((len(inputs), targets)), np.full(targets, NEVER)
    classes = np.unique(samples.best)
    bias[classes] = 0.0
    for target in classes if len(classes) > 1 else ():
        model = SVC(C=SVM_COST, gamma=gamma).fit(inputs, samples.best == target)
        dual[model.support_, target], bias[target] = model.dual_coef_[0], model.intercept_[0]
    return _kernel(samples.features, gamma, dual, bias, targets)


def _nearest_neighbours(samples: TrainingSet, targets: int) -> Arrays:
    votes = np.zeros((len(samples.best), targets), dtype=np.uint8)
    votes[np.arange(len(votes)), samples.best] = 1
    return {"points": samples.features, "weights": _inverse_spreads(samples.features), "votes": votes}


FITS: Final[dict[str, Callable[[TrainingSet, int], Arrays]]] = {
    "bo": _gaussian_process,
    "knn": _nearest_neighbours,
    "lr": _linear,
    "svm": _support_vector_machine,
    "svr": _support_vector_regression,
}


def _kernel(points: Rows, gamma: float, dual: Floats, bias: Floats, targets: int) -> Arrays:
    """The arrays of ``autoscale.agents.kernel.Kernel``, without points that weigh nothing."""
    used = np.abs(dual).max(axis=1) > 0.0
    return {
        "points": points[used],
        "sharpness": gamma**0.5 * _inverse_spreads(points),
        "dual": dual[used].reshape(used.sum(), dual.shape[1] // targets, targets),
        "bias": bias.reshape(-1, targets),
    }


def _logs(samples: TrainingSet) -> Floats:
    """What is to be predicted, shape (n, 2 * targets)."""
    return np.log(np.maximum(np.hstack([samples.latency_s, samples.objective]), 1e-12))


def _standard(features: Rows) -> Floats:
    return np.asarray((features - features.mean(axis=0)) * _inverse_spreads(features), dtype=np.float64)


def _inverse_spreads(features: Rows) -> Floats:
    """One over each feature's standard deviation; 0 for one that never changed, which can tell nothing."""
    spreads = features.std(axis=0, dtype=np.float64)
    return np.where(spreads > 1e-6, 1.0 / np.maximum(spreads, 1e-6), 0.0)
