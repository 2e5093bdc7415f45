"""A server that goes away and comes back, and a session that loses nothing by it.

Run: ``python examples/offload.py``. Needs the extras ``serve`` and ``prepare`` (to make a network).
"""

import tempfile
import time
from pathlib import Path

import numpy as np
from small_network import write_network

from autoscale import Goal
from autoscale_runtime import Session, serve


def main() -> None:
    """Ask while the server is up, while it is down, and when it is back."""
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder) / "repository"
        write_network(repository / "small" / "1" / "model.onnx")  # <repository>/<model>/<version>/model.onnx
        here = write_network(Path(folder) / "small.onnx")
        server = serve(repository)
        with Session(here, Goal(latency_s=0.2), remotes={"cloud": server.address}, mode="PREFER_IN_CLOUD") as session:
            session.warm_up({"x": np.ones((1, 256), np.float32)})  # else a first query may not wait for the server
            ask(session, "server up")
            server.stop()
            for _ in range(3):
                ask(session, "server down")
            with serve(repository, port=server.port):
                while ask(session, "server back") != "in_cloud":
                    time.sleep(0.2)  # a probe in the background finds out; no query is spent on it


def ask(session: Session, when: str) -> str:
    """Ask one query, and tell what became of it and where the answer came from."""
    session.run(None, {"x": np.ones((1, 256), np.float32)})
    last = session.last
    assert last is not None
    tried = ", ".join(f"{each.target}: {each.error or each.reason}" for each in last.attempts)
    print(f"{when:12} {1e3 * last.outcome.latency_s:6.1f} ms  {tried}")
    return last.inference_source


if __name__ == "__main__":
    main()
