"""Runs an application's script as it is, or with the session that decides in place: ``runner.py HOW SCRIPT``."""

import json
import runpy
import sys
from typing import Any


def main(how: str, script: str) -> None:
    """Print what the script's ``outputs`` gave, and what became of the queries, as one line of JSON."""
    records: list[Any] = []
    if how == "installed":
        from autoscale import Goal
        from autoscale_runtime import SessionOptions, install
        from autoscale_runtime.device.behind import settle_all

        install(Goal(latency_s=10.0), options=SessionOptions(on_record=records.append))
    outputs = runpy.run_path(script)["outputs"]()
    if how == "installed":
        settle_all()
    handed = sum(bool(each.decision.handed_through) for each in records)
    told = {"outputs": outputs, "decided": len(records) - handed, "handed_through": handed}
    print(json.dumps(told, default=float))


if __name__ == "__main__":
    main(*sys.argv[1:])
