"""The simulator: worlds with stochastic variance, for agents and for Gymnasium. What it exports is all it promises.

>>> from autoscale_envs import Training, WorldOptions, train
>>> train(Training("q-learning", WorldOptions(device="s10e", scenario="D3")), queries=100).name
'q-learning'

Importing it registers ``AutoScale/EdgeInference-v0`` where Gymnasium is installed.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from autoscale.lazy import lazy_names

if TYPE_CHECKING:
    from autoscale_envs.measured.csv_file import read_measured
    from autoscale_envs.measured.world import MeasuredWorld
    from autoscale_envs.training.train import Training, train
    from autoscale_envs.variance.scenarios import Scenario
    from autoscale_envs.worlds.options import WorldOptions
    from autoscale_envs.worlds.sim_world import SimWorld

__all__ = ["MeasuredWorld", "Scenario", "SimWorld", "Training", "WorldOptions", "read_measured", "train"]

__getattr__ = lazy_names(
    __name__,
    {
        "autoscale_envs.measured.csv_file": "read_measured",
        "autoscale_envs.measured.world": "MeasuredWorld",
        "autoscale_envs.training.train": "Training train",
        "autoscale_envs.variance.scenarios": "Scenario",
        "autoscale_envs.worlds.options": "WorldOptions",
        "autoscale_envs.worlds.sim_world": "SimWorld",
    },
)

if find_spec("gymnasium") is not None:
    from autoscale_envs.gym.registration import register

    register()
