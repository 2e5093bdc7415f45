"""A session where ONNX Runtime's stood: the same answers, and for each what was decided and what it cost.

Run: ``python examples/on_device.py``
"""

import tempfile
from pathlib import Path

import numpy as np
import onnxruntime as ort
from small_network import write_network

from autoscale import Goal
from autoscale_runtime import Session, SessionOptions


def main() -> None:
    """Answer a hundred queries, then go on with what was learned from them."""
    with tempfile.TemporaryDirectory() as folder:
        model, policy = write_network(Path(folder) / "small.onnx"), Path(folder) / "learned.npz"
        feeds = {"x": np.random.default_rng(0).normal(size=(4, 256)).astype(np.float32)}
        options = SessionOptions(power_table="rpi5")  # whose watts the modelled energy uses

        before = ort.InferenceSession(model)
        with Session(model, Goal(objective="energy", latency_s=0.05), options=options) as session:
            for _ in range(100):
                [scores] = session.run(None, feeds)
            print("same answer:", np.allclose(scores, before.run(None, feeds)[0], rtol=1e-4, atol=1e-4))
            last = session.last
            assert last is not None
            print(f"ran on {last.selected} ({last.inference_source}), chosen with probability {last.probability:.2f}")
            outcome = last.outcome
            print(f"latency {1e3 * outcome.latency_s:.2f} ms ({outcome.methods['latency_s']})")
            print(f"energy {1e3 * outcome.energy_j.device:.2f} mJ ({outcome.methods['energy_j.device']})")
            print(f"carbon {1e6 * outcome.carbon_g:.2f} ug CO2e")
            session.save_policy(policy)

        with Session(model, agent=policy, options=options) as session:
            session.run(["scores"], feeds)
            print(f"went on as {session.agent.name}")


if __name__ == "__main__":
    main()
