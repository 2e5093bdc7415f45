"""OpenTelemetry traces: a span for each query, with what it cost, sent to a collector by OTLP over gRPC.

A query belongs to its caller's trace where its metadata has a ``traceparent``. Names are those of OpenTelemetry's
conventions for RPC; what they have no name for begins with ``autoscale.``, with its unit as the name's end. What
``OTEL_*`` variables of the environment set (sampler, headers, certificates, the service's name) is followed.
"""

import time
from importlib.metadata import version as installed_version
from typing import Any, Final
from urllib.parse import urlsplit

import grpc

from autoscale.errors import AutoScaleError, InvalidInput
from autoscale.fleet.export.otlp import package, resource
from autoscale_runtime.server.execution.job import Job, Ran
from autoscale_runtime.server.span_sender import SpanSender
from autoscale_runtime.server.transports.base import Call, Trailers, shortened
from autoscale_runtime.wire.cost import ServerCost
from autoscale_runtime.wire.head import infer_head

SCOPE: Final = "autoscale.server"
SERVICE: Final = "autoscale-server"
"""What the spans are of, where ``OTEL_SERVICE_NAME`` does not say otherwise."""

BOUNDARY: Final = "the serving machine: its processors, idle power and making, as far as the query held them; PUE"
"""What is inside a query's SCI: neither the network nor the device that asks."""

_TIMEOUT_S: Final = 5.0
_PURPOSE: Final = "the server's traces"

_SERVERS_FAULTS: Final = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
"""The conventions call a server's span an error for these alone."""


class Traces:
    """Makes spans and sends them, on a thread of its own. For the event loop; ``close`` it in the end.

    Args:
        endpoint: of the collector, ``http://host:4317``, or ``https`` for TLS.

    Raises:
        InvalidInput: an endpoint that is none.
        MissingExtra: opentelemetry is not installed.
    """

    def __init__(self, endpoint: str) -> None:
        _check(endpoint)
        trace, sdk = package("opentelemetry.trace", _PURPOSE), package("opentelemetry.sdk.trace", _PURPOSE)
        export = package("opentelemetry.sdk.trace.export", _PURPOSE)
        otlp = package("opentelemetry.exporter.otlp.proto.grpc.trace_exporter", _PURPOSE)
        own = {"service.name": SERVICE, "service.version": installed_version("autoscale-inference")}
        self._sender = SpanSender(otlp.OTLPSpanExporter(endpoint=endpoint, timeout=_TIMEOUT_S), endpoint)
        self._provider = sdk.TracerProvider(resource=resource(own, _PURPOSE), shutdown_on_exit=False)
        self._provider.add_span_processor(export.BatchSpanProcessor(self._sender))
        self._tracer = self._provider.get_tracer(SCOPE)
        w3c = package("opentelemetry.trace.propagation.tracecontext", _PURPOSE)
        self._parent = w3c.TraceContextTextMapPropagator().extract
        self._nothing = package("opentelemetry.context", _PURPOSE).Context()
        self._server, self._error = trace.SpanKind.SERVER, trace.StatusCode.ERROR

    def traced(self, call: Call) -> Call:
        """The call, with a span that ends as it is answered; the call itself where its trace is not sampled."""
        parent = self._parent(call.trace, self._nothing) if call.trace else self._nothing
        method = {"rpc.system.name": "grpc", "rpc.method": call.method}
        span = self._tracer.start_span(call.method, parent, self._server, method)
        if not span.is_recording():
            return call
        self._sender.made += 1
        return TracedCall(call, span, self._error)

    def close(self) -> None:
        """Send what is left, within a second or so; a collector that does not answer is given up, and told."""
        with self._sender.closing():
            self._provider.shutdown()


class TracedCall(Call):
    """A query whose answer ends its span."""

    def __init__(self, outer: Call, span: Any, error: Any) -> None:
        super().__init__(outer.method, outer.message, outer.client, outer.deadline_s, outer.trace)
        self._outer, self._span, self._error, self._is_told = outer, span, error, False
        outer.on_leaving = self.left

    def tell(self, job: Job, ran: Ran, cost: ServerCost) -> None:
        """What became of it: times, joules, and the SCI of ISO/IEC 21031, (O + M) for one inference."""
        if self._span is None:
            return
        self._is_told = True
        self._span.add_event("handed over", timestamp=_wall_ns(job.begun_s))
        self._span.set_attributes(
            {
                "autoscale.model": job.model,
                "autoscale.model.version": job.version,
                "autoscale.target": str(job.target),
                "autoscale.queue_s": job.begun_s - job.arrived_s,
                "autoscale.compute_s": ran.compute_s,
                "autoscale.batch.requests": ran.rows,
                "autoscale.energy_j": cost.energy_j,
                "autoscale.energy.method": str(cost.method),
                "autoscale.sci_g": cost.carbon_operational_g + cost.carbon_embodied_g,
                "autoscale.sci.operational_g": cost.carbon_operational_g,
                "autoscale.sci.embodied_g": cost.carbon_embodied_g,
                "autoscale.sci.unit": "gCO2e per inference",
                "autoscale.sci.boundary": BOUNDARY,
                "autoscale.sci.method": f"energy {cost.method}, location-based, {cost.intensity.kind} intensity",
                "autoscale.grid.intensity_g_per_kwh": cost.intensity.g_per_kwh,
                "autoscale.grid.region": cost.region,
                "autoscale.pue": cost.pue,
            }
        )

    def reply(self, message: bytes) -> None:
        """Answer it."""
        self._end(grpc.StatusCode.OK)
        self._outer.reply(message)

    def refuse(self, code: grpc.StatusCode, text: str, trailers: Trailers = ()) -> None:
        """Answer it with an error."""
        self._end(code, text)
        self._outer.refuse(code, text, trailers)

    def left(self) -> None:
        """Its caller waits no more."""
        self._end(grpc.StatusCode.CANCELLED)
        super().left()

    def _end(self, code: grpc.StatusCode, text: str = "") -> None:
        span, self._span = self._span, None
        if span is None:
            return
        span.set_attributes({"rpc.response.status_code": code.name, **_client(self.client)})
        if not self._is_told:
            span.set_attributes(_asked(self.message))
        if code is not grpc.StatusCode.OK:
            span.set_attribute("error.type", code.name)
        if code.name in _SERVERS_FAULTS:
            span.set_status(self._error, shortened(text))
        span.end()


def _client(client: str) -> dict[str, str | int]:
    """Who asked: the holder of a token, else an address as gRPC writes it."""
    kind, _, rest = client.partition(":")
    address, _, port = rest.rpartition(":")
    if kind in ("ipv4", "ipv6") and port.isdigit():
        return {"client.address": address.replace("%5B", "").replace("%5D", "").strip("[]"), "client.port": int(port)}
    return {"user.name": client}


def _asked(message: bytes) -> dict[str, str]:
    """Whom a query asked for that never ran."""
    try:
        return {"autoscale.model": shortened(infer_head(message).model)}
    except AutoScaleError:
        return {}


def _wall_ns(monotonic_s: float) -> int:
    return time.time_ns() - round(1e9 * (time.monotonic() - monotonic_s))


def _check(endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_good = False
    if not is_good:
        raise InvalidInput(f"the collector is '{endpoint}'; allowed: http://HOST:PORT, or https://HOST:PORT with TLS")
