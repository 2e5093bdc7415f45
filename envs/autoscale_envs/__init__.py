"""The simulator: worlds with stochastic variance, for agents (``SimWorld``) and as Gymnasium environments.

Importing it registers ``AutoScale/EdgeInference-v0`` where Gymnasium is installed.
"""

from importlib.util import find_spec

if find_spec("gymnasium") is not None:
    from autoscale_envs.gym.registration import register

    register()
