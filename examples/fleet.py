"""From a query to the fleet's account: a session logs its queries, the log is uploaded, the ledger is reported on.

Run: ``python examples/fleet.py``. Needs the extras ``fleet`` (the ledger) and ``prepare`` (to make a network).
"""

import tempfile
from pathlib import Path

import numpy as np
from small_network import write_network

from autoscale import Electricity, Goal, account
from autoscale_runtime import LedgerWriter, Session, SessionOptions, Uploader, collect

QUERIES = 200


def main() -> None:
    """Play device, collector and operator in one process; of course they are three machines."""
    with tempfile.TemporaryDirectory() as folder:
        log, ledger = Path(folder) / "log", Path(folder) / "ledger"
        answer_queries(write_network(Path(folder) / "small.onnx"), log)

        with collect(ledger) as collector, Uploader(log, collector.address) as uploader:  # autoscale fleet collect
            uploaded = uploader.upload()  # or .start(), which goes on in the background
        print(f"uploaded {uploaded.accepted} records, {uploaded.rejected} rejected")

        report = account(ledger)  # autoscale fleet report
        low, mid, high = (1e9 * getattr(report.total.sci_g, end) for end in ("low", "mid", "high"))
        print(f"{report.total.inferences} inferences, {mid:.1f} ng CO2e each ({low:.1f} to {high:.1f})")
        print(f"asked in {', '.join(report.by['region'])}, answered by {', '.join(report.by['target'])}")


def answer_queries(model: Path, log: Path) -> None:
    """The app: every query leaves a record of what it cost, and none of its inputs or outputs."""
    with LedgerWriter(log, app_version="1.0") as writer:
        options = SessionOptions(power_table="rpi5", electricity=Electricity("FR"), on_record=writer.append)
        with Session(model, Goal(objective="carbon", latency_s=0.05), options=options) as session:
            for _ in range(QUERIES):
                session.run(None, {"x": np.ones((4, 256), np.float32)})


if __name__ == "__main__":
    main()
