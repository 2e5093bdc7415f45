"""A server, a link that breaks, and a session that loses nothing by it.

Run: ``python examples/offload.py``
"""

import tempfile
import time
from pathlib import Path

import numpy as np
from small_network import write_network

from autoscale.query.goal import Goal
from autoscale_runtime import Session
from autoscale_runtime.link.shaped_link import LinkConditions, ShapedLink
from autoscale_runtime.server.server import serve

GOOD = LinkConditions(rate_bps=50e6, round_trip_s=0.01, jitter_s=0.002)
OUTAGE = LinkConditions(rate_bps=0.0)


def main() -> None:
    """Ask over a good link, through an outage, and after it."""
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder) / "repository"
        write_network(repository / "small" / "1" / "model.onnx")  # <repository>/<model>/<version>/model.onnx
        here = write_network(Path(folder) / "small.onnx")
        with (
            serve(repository) as server,
            ShapedLink(server.address, GOOD) as link,
            Session(here, Goal(latency_s=0.2), remotes={"cloud": link.address}, mode="PREFER_IN_CLOUD") as session,
        ):
            ask(session, "good link")
            link.conditions = OUTAGE
            for _ in range(3):
                ask(session, "outage")
            link.conditions = GOOD
            while ask(session, "link is back") != "in_cloud":
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
