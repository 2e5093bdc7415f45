"""The Open Inference Protocol, free of any transport and any model: calls answered from what is known, or queued."""

import asyncio
import logging
import time
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version as installed_version
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError, Message

from autoscale.errors import AutoScaleError, FeedError
from autoscale.units import us_from_s
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime.server.descriptions import config_of, index_of, metadata_of_model, statistics_of
from autoscale_runtime.server.execution.job import Job, Ran
from autoscale_runtime.server.query_cost import ServerAccount
from autoscale_runtime.server.request_parameters import obey
from autoscale_runtime.server.serving import Serving
from autoscale_runtime.server.tracing import TracedCall, Traces
from autoscale_runtime.server.transports.base import Call, Trailers, shortened
from autoscale_runtime.wire.alike import Alike
from autoscale_runtime.wire.head import infer_head
from autoscale_runtime.wire.parameters import cost_bytes
from autoscale_runtime.wire.status import code_of

SERVICE: Final = "inference.GRPCInferenceService"
NAME: Final = "autoscale"
VERSION: Final = installed_version("autoscale-inference")
EXTENSIONS: Final = (
    "energy",
    "carbon",
    "classification",
    "model_configuration",
    "model_repository",
    "statistics",
)
"""Beyond the protocol's first calls: with each answer its cost, and some of Triton's extensions."""

UNARY: Final = frozenset(
    {
        "ServerLive",
        "ServerReady",
        "ModelReady",
        "ServerMetadata",
        "ModelMetadata",
        "ModelInfer",
        "ModelConfig",
        "ModelStatistics",
        "RepositoryIndex",
        "RepositoryModelLoad",
        "RepositoryModelUnload",
    }
)
STREAMING: Final = frozenset({"ModelStreamInfer"})

_OK: Final = grpc.StatusCode.OK
_KEPT: Final = 256

_QUERIES: Final = STREAMING | {"ModelInfer"}
_NAMED_AT: Final = len(SERVICE) + 1

_LOG: Final = logging.getLogger("autoscale.server")

Reload = Callable[[str], Any]
"""Looks at a model's folder again; a coroutine that gives why it is not served, or None."""


class Front:
    """Answers every method of the service. For the event loop.

    Args:
        serving: the models.
        account: what queries cost.
        reload: for RepositoryModelLoad; None where the models did not come from a folder.
        cpu_clock: core-seconds that the protocol has taken so far.
        log: told of each query, by name of the fact.
        traces: a span for each query; None for none.
    """

    def __init__(
        self,
        serving: Serving,
        account: ServerAccount,
        reload: Reload | None = None,
        cpu_clock: Callable[[], float] = time.process_time,
        log: Callable[..., None] | None = None,
        traces: Traces | None = None,
    ) -> None:
        self.is_draining = False
        self._serving, self._account, self._reload = serving, account, reload
        self._log, self._traces = log, traces
        self._cpu_clock, self._told_core_s = cpu_clock, cpu_clock()
        self._refused = 0
        self._heads = Alike(lambda message, raw: infer_head(message))
        self._rates = lru_cache(_KEPT)(lambda model: account.rates(model.target, model.name))
        self._known: dict[str, Callable[[bytes], Message]] = {
            "ServerLive": lambda message: pb.ServerLiveResponse(live=True),
            "ServerReady": lambda message: pb.ServerReadyResponse(ready=not self.is_draining),
            "ModelReady": self._model_ready,
            "ServerMetadata": lambda message: pb.ServerMetadataResponse(
                name=NAME, version=VERSION, extensions=EXTENSIONS
            ),
            "ModelMetadata": self._model_metadata,
            "ModelConfig": self._model_config,
            "ModelStatistics": self._model_statistics,
            "RepositoryIndex": self._index,
            "RepositoryModelUnload": self._unload,
        }
        self._tasks: set[asyncio.Task[None]] = set()

    def request(self, call: Call) -> None:
        """Answer a call, or queue its query."""
        method = call.method[_NAMED_AT:]
        if method in STREAMING:
            call = StreamedCall(call)
        try:
            if method in _QUERIES:
                call = call if self._traces is None else self._traces.traced(call)
                self._infer(call)
            elif method == "RepositoryModelLoad":
                self._load(call)
            else:
                call.reply(self._known[method](call.message).SerializeToString())
        except AutoScaleError as error:
            call.refuse(code_of(error), str(error))
        except DecodeError:
            call.refuse(grpc.StatusCode.INVALID_ARGUMENT, f"the request is no {method}Request")
        except Exception as error:
            _LOG.exception("%s failed", method)
            call.refuse(grpc.StatusCode.INTERNAL, f"the server failed: {error!r}")

    def on_begin(self, job: Job) -> None:
        """A query is handed over."""
        job.share = self._account.begin_at(job.rates)

    def on_end(self, job: Job, ran: Ran) -> None:
        """A query that was handed over has ended: account for it, and answer, whatever goes wrong with that."""
        try:
            self._end(job, ran)
        except Exception as error:
            _LOG.exception("a query of '%s' has ended, and its answer failed", job.model)
            job.call.refuse(grpc.StatusCode.INTERNAL, f"the server failed: {error!r}")

    def _end(self, job: Job, ran: Ran) -> None:
        is_answered = ran.code is _OK and not job.is_done
        cost = self._account.end(job.share, ran.core_s + self._own_s(), is_answered)
        served = self._serving.models.get(job.model)
        now_s = time.monotonic()
        if served is not None:
            served.statistics.ended(job, ran, is_answered, now_s)
            served.statistics.energy_j += cost.energy_j if is_answered else 0.0
        if self._log is not None:
            self._log_end(job, ran, cost.energy_j)
        if self._traces is not None and isinstance(job.call, TracedCall):
            job.call.tell(job, ran, cost)
        if is_answered:
            queue_us, compute_us = us_from_s(job.begun_s - job.arrived_s), us_from_s(ran.compute_s)
            job.call.reply(ran.body + cost_bytes(cost, queue_us, compute_us))
        elif not job.is_done:
            text = ran.body.decode(errors="replace")
            if ran.code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE):
                _LOG.error("a query of '%s' failed: %s", job.model, text)
            job.call.refuse(ran.code, text)

    def _log_end(self, job: Job, ran: Ran, energy_j: float) -> None:
        assert self._log is not None
        self._log(
            model=job.model,
            version=job.version,
            client=job.call.client,
            code=("CANCELLED" if job.is_done else ran.code.name),
            queue_s=round(job.begun_s - job.arrived_s, 6),
            compute_s=round(ran.compute_s, 6),
            batch=ran.rows,
            energy_j=energy_j,
            bytes=len(job.call.message),
        )

    def idle(self) -> None:
        """Now and then: what the server did beside queries is nobody's."""
        if not self._serving.is_busy:
            self._account.overhead(self._protocol_s())

    def _infer(self, call: Call) -> None:
        if self._serving.is_closed:
            call.refuse(grpc.StatusCode.UNAVAILABLE, "the server is stopping")
            return
        head = self._heads.of(call.message).value
        served, model = self._serving.find(head.model, head.version)
        if not served.scheduler.is_busy and not self._serving.is_busy:
            self._account.overhead(self._protocol_s())
        job = Job(call, model.name, model.version, model.target, bool(head.version), call.deadline_s)
        job.rates = self._rates(model)
        if head.parameters:
            obey(job, head.parameters)
        served.scheduler.submit(job)
        if job.is_done:
            served.statistics.refused("RESOURCE_EXHAUSTED")
            self._refused += 1
            if self._log is not None:
                self._log(model=job.model, client=call.client, code="RESOURCE_EXHAUSTED", bytes=len(call.message))

    def _load(self, call: Call) -> None:
        asked = pb.RepositoryModelLoadRequest.FromString(call.message)
        if self._reload is None:
            raise FeedError("no model can be loaded: this server has no repository; allowed: the models it serves")
        if asked.parameters:
            raise FeedError("the request brings parameters; allowed: none, models come from the repository")
        task = asyncio.get_running_loop().create_task(self._loaded(call, asked.model_name))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _loaded(self, call: Call, name: str) -> None:
        assert self._reload is not None
        try:
            await self._reload(name)
            self._serving.find(name)
            call.reply(pb.RepositoryModelLoadResponse().SerializeToString())
        except AutoScaleError as error:
            call.refuse(code_of(error), str(error))
        except Exception as error:
            _LOG.exception("loading '%s' failed", name)
            call.refuse(grpc.StatusCode.INTERNAL, f"the server failed: {error!r}")

    def _unload(self, message: bytes) -> Message:
        self._serving.unload(pb.RepositoryModelUnloadRequest.FromString(message).model_name)
        return pb.RepositoryModelUnloadResponse()

    def _model_ready(self, message: bytes) -> Message:
        asked = pb.ModelReadyRequest.FromString(message)
        try:
            self._serving.find(asked.name, asked.version)
        except AutoScaleError:
            return pb.ModelReadyResponse(ready=False)
        return pb.ModelReadyResponse(ready=not self.is_draining)

    def _model_metadata(self, message: bytes) -> Message:
        asked = pb.ModelMetadataRequest.FromString(message)
        return metadata_of_model(*self._serving.find(asked.name, asked.version))

    def _model_config(self, message: bytes) -> Message:
        asked = pb.ModelConfigRequest.FromString(message)
        return pb.ModelConfigResponse(config=config_of(*self._serving.find(asked.name, asked.version)))

    def _model_statistics(self, message: bytes) -> Message:
        asked = pb.ModelStatisticsRequest.FromString(message)
        names = [asked.name] if asked.name else [*self._serving.models]
        found = [self._serving.find(name, asked.version) for name in names]
        return pb.ModelStatisticsResponse(model_stats=[statistics_of(*each) for each in found])

    def _index(self, message: bytes) -> Message:
        asked = pb.RepositoryIndexRequest.FromString(message)
        return pb.RepositoryIndexResponse(models=index_of(self._serving, asked.ready))

    def _own_s(self) -> float:
        """Core-seconds of the protocol that are the ending query's: queries refused meanwhile have taken as much each.

        The clock is read once a query that ran, since to look at it is a fair part of what a refusal takes.
        """
        share_s = self._protocol_s() / (1 + self._refused)
        self._account.overhead(share_s * self._refused)
        self._refused = 0
        return share_s

    def _protocol_s(self) -> float:
        """Core-seconds since this was last asked: each is told once."""
        now_s = self._cpu_clock()
        passed_s, self._told_core_s = now_s - self._told_core_s, now_s
        return max(passed_s, 0.0)


class StreamedCall(Call):
    """One request of a stream: its answer, and its error too, is a message, so that the stream goes on."""

    def __init__(self, outer: Call) -> None:
        super().__init__(outer.method, outer.message, outer.client, outer.deadline_s, outer.trace)
        self._outer = outer
        outer.on_leaving = self.left

    def reply(self, message: bytes) -> None:
        """An answer, as a field of the stream's message."""
        answer = pb.ModelStreamInferResponse()
        answer.infer_response.MergeFromString(message)
        self._outer.reply(answer.SerializeToString())

    def refuse(self, code: grpc.StatusCode, text: str, trailers: Trailers = ()) -> None:
        """An error, likewise."""
        told = pb.ModelStreamInferResponse(error_message=f"[{code.name}] {shortened(text)}")
        self._outer.reply(told.SerializeToString())
