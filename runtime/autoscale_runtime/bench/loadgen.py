"""One run of MLPerf's LoadGen, in a process of its own: a run cannot be interrupted, a process can be ended."""

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from autoscale.errors import AutoScaleError, TargetError
from autoscale.extras import package
from autoscale_runtime.bench.plan import SMALLEST_QPS, Plan
from autoscale_runtime.models.example_feeds import example_feeds
from autoscale_runtime.wire.client import OffloadClient
from autoscale_runtime.wire.sender import Sender, Tally

DETAIL: Final = "mlperf_log_detail.txt"
SUMMARY: Final = "mlperf_log_summary.txt"
_MARK: Final = ":::MLLOG "
_SAMPLES: Final = 1024
"""In LoadGen's library; all are the same query."""
_TOLD_S: Final = 0.5
_DESCRIBED_S: Final = 10.0
_LOOK_S: Final = 1.0
_MARGIN: Final = {"Offline": 2.0}
_USUAL_MARGIN: Final = 10.0
"""LoadGen makes its queries beforehand, for so many times the rate of a first look: too few and the run is invalid. In
Offline all that were made are sent, elsewhere what is left over is not."""


@dataclass(frozen=True, slots=True)
class Run:
    """What LoadGen found.

    Attributes:
        tally: what the server answered.
        results: LoadGen's own, by its names, of its detail log.
    """

    tally: Tally
    results: dict[str, Any]

    @property
    def is_valid(self) -> bool:
        """Whether LoadGen calls the run valid, and every sample was answered."""
        return not self.why_not

    @property
    def why_not(self) -> str:
        """Why it is not; empty where it is."""
        if self.tally.errors:
            return f"{self.tally.errors.total()} samples had no answer"
        if self.results.get("result_validity") == "VALID":
            return ""
        if self.results.get("result_perf_constraints_met") is False:
            return "more than 1 % of the answers came after the limit"
        reason = str(self.results.get("result_invalid_reason", "")).strip()
        return reason or "too few samples to be sure of the percentile (LoadGen's early stopping): let it run longer"


def run(plan: Plan, folder: Path, tell: Callable[[int], None] | None = None) -> Run:
    """Carry a plan out.

    Args:
        plan: what is asked, and how.
        folder: gets LoadGen's logs.
        tell: is told now and then how many samples have ended.

    Raises:
        MissingExtra: LoadGen is not installed.
        TargetError: the server does not describe the model, or LoadGen's process died.
    """
    check_installed()
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run_alone, args=(plan, str(folder), theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        return _heard(ours, tell)
    except EOFError:
        process.join()
        raise TargetError(f"LoadGen's process ended with status {process.exitcode} before its run did") from None
    finally:
        process.kill()
        process.join()


def check_installed() -> None:
    """Refuse where LoadGen is not.

    Raises:
        MissingExtra: naming it.
    """
    package("mlperf_loadgen", "bench", "measuring a server", "mlcommons-loadgen")


def _heard(told: Connection, tell: Callable[[int], None] | None) -> Run:
    while True:
        word = told.recv()
        if isinstance(word, Run):
            return word
        if isinstance(word, AutoScaleError):
            raise word
        if tell is not None:
            tell(word)


def _run_alone(plan: Plan, folder: str, told: Connection) -> None:
    try:
        told.send(_run(plan, Path(folder), told))
    except AutoScaleError as error:
        told.send(TargetError(str(error)))  # whose text is all it has, so that it crosses


def _run(plan: Plan, folder: Path, told: Connection) -> Run:
    import mlperf_loadgen as loadgen

    client = OffloadClient(plan.address, plan.access)
    inputs, _ = client.describe(plan.model, plan.version, _DESCRIBED_S)
    sender = Sender(client, plan.model, plan.version, example_feeds(inputs, plan.shapes), plan.clients)
    ended = threading.Event()
    margin = _MARGIN.get(plan.scenario, _USUAL_MARGIN)
    rate = plan.qps or margin * max(sender.looked(_together(plan), _LOOK_S).rate_per_s, SMALLEST_QPS)
    threading.Thread(target=_tell, args=(sender.tally, told, ended), daemon=True).start()

    def issue(samples: Sequence[Any]) -> None:
        for sample in samples:
            sender.send(lambda identity=sample.id: _complete(loadgen, identity))  # type: ignore[misc]

    system = loadgen.ConstructSUT(issue, lambda: None)
    library = loadgen.ConstructQSL(_SAMPLES, _SAMPLES, lambda _: None, lambda _: None)
    loadgen.StartTestWithLogSettings(system, library, _settings(loadgen, plan, rate), _log_settings(loadgen, folder))
    loadgen.DestroyQSL(library)
    loadgen.DestroySUT(system)
    ended.set()
    sender.close()
    client.close()
    return Run(sender.tally, _results(folder / DETAIL))


def _tell(tally: Tally, told: Connection, ended: threading.Event) -> None:
    while not ended.wait(_TOLD_S):
        told.send(tally.count)


def _complete(loadgen: Any, identity: int) -> None:
    loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(identity, 0, 0)])


def _together(plan: Plan) -> int:
    """Samples that a scenario has open at once, as far as the plan allows."""
    return min(plan.clients, {"SingleStream": 1, "MultiStream": plan.streams}.get(plan.scenario, plan.clients))


def _settings(loadgen: Any, plan: Plan, rate: float) -> Any:
    settings = loadgen.TestSettings()
    settings.scenario = getattr(loadgen.TestScenario, plan.scenario)
    settings.mode = loadgen.TestMode.PerformanceOnly
    settings.min_duration_ms = round(1e3 * plan.duration_s)
    settings.min_query_count = 1
    settings.server_target_qps = settings.offline_expected_qps = rate
    settings.server_target_latency_ns = round(1e9 * plan.latency_s)
    settings.server_target_latency_percentile = 0.99
    settings.single_stream_expected_latency_ns = round(1e9 / rate)
    settings.multi_stream_expected_latency_ns = round(1e9 * plan.streams / rate)
    settings.multi_stream_samples_per_query = plan.streams
    settings.schedule_rng_seed = settings.sample_index_rng_seed = settings.qsl_rng_seed = plan.seed
    return settings


def _log_settings(loadgen: Any, folder: Path) -> Any:
    logs = loadgen.LogSettings()
    logs.log_output.outdir = str(folder)
    logs.log_output.copy_summary_to_stdout = logs.log_output.copy_detail_to_stdout = False
    logs.enable_trace = False
    return logs


def _results(path: Path) -> dict[str, Any]:
    """What its detail log says of the run: a line of JSON for each key."""
    lines = [line.removeprefix(_MARK) for line in path.read_text().splitlines() if line.startswith(_MARK)]
    words = [json.loads(line) for line in lines]
    return {word["key"]: word["value"] for word in words if word["key"].startswith("result_")}
