"""An agent of your own: written, checked against everything the interface promises, and put to work.

Run: ``python examples/own_agent.py``
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from small_network import write_network

from autoscale import Agent, Choice, Context, Outcome, Target, check_agent, errors
from autoscale_runtime import Session


class Gradient(Agent):
    """A gradient bandit (Sutton and Barto, Reinforcement Learning, 2nd ed., section 2.8); it looks at no context."""

    name = "gradient"

    def __init__(self, targets: Sequence[Target], seed: int = 0) -> None:
        super().__init__(targets, seed)
        self.preference = np.zeros(len(targets))
        self.baseline = np.zeros(2)  # how many rewards, and their mean

    def select(self, context: Context) -> Choice:
        """Draw one of the admitted targets with the softmax of the preferences."""
        chances = self.chances(context)
        drawn = int(self.rng.choice(len(chances), p=chances))
        return Choice(int(context.admitted[drawn]), float(chances[drawn]))

    def learn(
        self, context: Context, index: int, outcome: Outcome, reward: float, next_context: Context | None = None
    ) -> None:
        """Prefer what did better than the mean so far."""
        self.baseline[0] += 1.0
        self.baseline[1] += (reward - self.baseline[1]) / self.baseline[0]
        step = float(np.clip(0.1 * (reward - self.baseline[1]), -1.0, 1.0))
        self.preference[context.admitted] -= step * self.chances(context)
        self.preference[index] += step

    def chances(self, context: Context) -> npt.NDArray[np.float64]:
        """The softmax over the admitted targets."""
        preference = self.preference[context.admitted]
        chances = np.exp(preference - preference.max())
        return np.asarray(chances / chances.sum(), dtype=np.float64)

    def state(self) -> dict[str, npt.NDArray[np.float64]]:
        """What it has learned; this is what a policy file holds."""
        return {"preference": self.preference, "baseline": self.baseline}

    def restore(self, state: dict[str, npt.NDArray[np.float64]]) -> None:
        """Take that back."""
        if state.keys() != {"preference", "baseline"} or state["preference"].shape != self.preference.shape:
            raise errors.PolicyError(f"agent '{self.name}' needs a preference for each of {len(self.targets)} targets")
        self.preference, self.baseline = state["preference"].astype(float), state["baseline"].astype(float)


def main() -> None:
    """Check it, then let it decide on this device."""
    check_agent(lambda targets, seed: Gradient(targets, seed))
    print("keeps every promise of the interface")
    with tempfile.TemporaryDirectory() as folder:
        model = write_network(Path(folder) / "small.onnx")
        with Session(model) as probe:  # the targets of this device
            targets = probe.targets
        with Session(model, agent=Gradient(targets)) as session:
            for _ in range(200):
                session.run(None, {"x": np.ones((1, 256), np.float32)})
            assert session.last is not None
            print(f"after 200 queries: {session.last.selected}, with probability {session.last.probability:.2f}")


if __name__ == "__main__":
    main()
