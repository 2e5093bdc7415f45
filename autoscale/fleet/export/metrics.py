"""The account as OpenTelemetry metrics: gauges in joules and grams, pushed once by OTLP over gRPC."""

from typing import Any, Final

from autoscale.errors import TargetUnavailable
from autoscale.fleet.export.declarations import FIVE, declarations
from autoscale.fleet.export.otlp import package, resource, unheard
from autoscale.fleet.report import Fleet, Report
from autoscale.fleet.report.sums import NG_PER_G, fleet_sci_g_of
from autoscale.units import MICRO_PER_UNIT

SCOPE: Final = "autoscale.fleet"
SERVICE: Final = "autoscale-fleet"
"""What the gauges are of, where ``OTEL_SERVICE_NAME`` does not say otherwise."""

TIMEOUT_S: Final = 10.0
_DECLARED: Final = {"kWh": "energy", "kg CO2e": "carbon", "g CO2e/inference": "sci"}
"""A gauge has one unit: unit of a declaration to the name of its gauge."""

_PURPOSE: Final = "the fleet's metrics"


def publish(report: Report, meter: Any) -> None:
    """Set the gauges of a report on an ``opentelemetry.metrics.Meter``.

    ``autoscale.fleet.inferences``; ``autoscale.fleet.energy`` (J, by part); ``autoscale.fleet.carbon`` (g CO2e, by part
    and kind); ``autoscale.fleet.sci`` (g CO2e an inference, by end of its range); ``autoscale.fleet.missed_ratio``;
    with an inventory those of the whole fleet, ``autoscale.fleet.whole.*``. ``autoscale.fleet.declared.*`` (kWh,
    kg CO2e, g CO2e an inference) has each value that the JSON declares, by name, with its boundary, method, unit,
    nature and completeness: texts that change with the ledger, so those of the other gauges stay the same series.
    """
    total = report.total
    meter.create_gauge(f"{SCOPE}.inferences", "{inference}", "Queries of the report").set(total.inferences)
    missed = meter.create_gauge(f"{SCOPE}.missed_ratio", "1", "Queries that came late or fell short of their accuracy")
    missed.set(total.missed_fraction)
    energy = meter.create_gauge(f"{SCOPE}.energy", "J", "Energy of the queries")
    for part, energy_uj in total.energy_uj._asdict().items():
        energy.set(energy_uj / MICRO_PER_UNIT, {"part": part})
    carbon = meter.create_gauge(f"{SCOPE}.carbon", "g", "CO2e of the queries, operational or embodied")
    for kind, parts in (("operational", total.operational_ng), ("embodied", total.embodied_ng)):
        for part, mass_ng in parts._asdict().items():
            carbon.set(mass_ng / NG_PER_G, {"part": part, "kind": kind})
    if report.fleet is not None:
        _publish_fleet(report.fleet, total.inferences, meter)
    sci = meter.create_gauge(f"{SCOPE}.sci", "g", "CO2e of an inference, (O + M) per R of ISO/IEC 21031:2024")
    for end in ("low", "mid", "high"):
        sci.set(getattr(total.sci_g, end), {"end": end})
    _publish_declared(report, meter)


def _publish_declared(report: Report, meter: Any) -> None:
    gauges = {
        unit: meter.create_gauge(f"{SCOPE}.declared.{name}", unit, "Values with what must be said of each")
        for unit, name in _DECLARED.items()
    }
    for each in declarations(report):
        gauges[each.unit].set(each.value, {"name": each.name} | {of: getattr(each, of) for of in FIVE})


def _publish_fleet(fleet: Fleet, inferences: int, meter: Any) -> None:
    """``autoscale.fleet.whole.carbon`` (g CO2e, by part and end), ``....idle_energy`` (J), ``....sci`` (g CO2e)."""
    carbon = meter.create_gauge(
        f"{SCOPE}.whole.carbon", "g", "CO2e of the whole fleet: queries, idle, unallocated making"
    )
    parts = {
        "queries": fleet.queries_ng,
        "idle": fleet.idle_ng,
        "unallocated": fleet.unallocated_ng,
        "total": fleet.total_ng,
    }
    for part, ends in parts.items():
        for end, mass_ng in ends._asdict().items():
            carbon.set(mass_ng / NG_PER_G, {"part": part, "end": end})
    idle = meter.create_gauge(f"{SCOPE}.whole.idle_energy", "J", "Energy of machines that wait")
    idle.set(fleet.idle_energy_uj / MICRO_PER_UNIT)
    whole = fleet_sci_g_of(fleet.total_ng, inferences)
    if whole is not None:
        sci = meter.create_gauge(f"{SCOPE}.whole.sci", "g", "CO2e of the whole fleet for each inference")
        for end in ("low", "mid", "high"):
            sci.set(getattr(whole, end), {"end": end})


def push(report: Report, endpoint: str, timeout_s: float = TIMEOUT_S) -> None:
    """Send a report's gauges to a collector of OTLP, ``host:port``, without encryption.

    Raises:
        MissingExtra: opentelemetry is not installed.
        TargetUnavailable: nothing took them in time.
    """
    names = ("sdk.metrics", "sdk.metrics.export", "exporter.otlp.proto.grpc.metric_exporter")
    sdk, export, otlp = (package(f"opentelemetry.{name}", _PURPOSE) for name in names)
    exporter = otlp.OTLPMetricExporter(endpoint=endpoint, insecure=True, timeout=timeout_s)
    reader = export.InMemoryMetricReader()
    provider = sdk.MeterProvider([reader], resource({"service.name": SERVICE}, _PURPOSE), shutdown_on_exit=False)
    publish(report, provider.get_meter(SCOPE))
    with unheard():
        result = exporter.export(reader.get_metrics_data(), timeout_millis=timeout_s * 1e3)
    provider.shutdown()
    exporter.shutdown()
    if result is not export.MetricExportResult.SUCCESS:
        raise TargetUnavailable(f"no collector of OTLP took the metrics at '{endpoint}' within {timeout_s:g} s")
