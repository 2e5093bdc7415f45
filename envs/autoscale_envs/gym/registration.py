"""Tells Gymnasium of the environments.

Gymnasium 1.x finds no plugins by itself: import ``autoscale_envs`` first, or name it, as in
``gymnasium.make("autoscale_envs:AutoScale/EdgeInference-v0")``.
"""

from typing import Final

EDGE_INFERENCE: Final = "AutoScale/EdgeInference-v0"


def register() -> None:
    """Register ``AutoScale/EdgeInference-v0``, once; importing the package calls it."""
    from gymnasium.envs import registration

    if EDGE_INFERENCE not in registration.registry:
        registration.register(
            EDGE_INFERENCE,
            entry_point="autoscale_envs.gym.env:EdgeInferenceEnv",
            vector_entry_point="autoscale_envs.gym.vector:EdgeInferenceVectorEnv",
        )
