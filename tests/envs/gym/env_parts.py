"""What tests of the vector environment share."""

import numpy as np

from autoscale_envs.gym.vector import EdgeInferenceVectorEnv


def check_all_the_same(one: EdgeInferenceVectorEnv, other: EdgeInferenceVectorEnv, steps: int = 400) -> None:
    """Take both through the same random actions: they give the same, to the last bit."""
    rng = np.random.default_rng(0)
    for _ in range(steps):
        actions = rng.integers(0, len(one.targets), one.num_envs)
        mine, theirs = one.step(actions), other.step(actions)
        assert all((each == that).all() for each, that in zip(mine[:4], theirs[:4], strict=True))
        assert mine[4].keys() == theirs[4].keys()
        assert all((each == theirs[4][name]).all() for name, each in mine[4].items())
