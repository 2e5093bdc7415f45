"""The account as OpenTelemetry metrics, sent to a real collector on loopback."""

from typing import Any

import pytest

from autoscale.errors import TargetUnavailable
from autoscale.fleet.export import metrics
from autoscale.fleet.export.declarations import FIVE, declarations
from autoscale.fleet.report import Report, account
from tests.autoscale.fleet.ledger_parts import random_rows, written
from tests.otlp_collector import collector

for needed in ("duckdb", "pyarrow"):
    pytest.importorskip(needed)
pytest.importorskip("opentelemetry.exporter.otlp.proto.grpc.metric_exporter")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return account(written(tmp_path_factory.mktemp("metrics") / "ledger", random_rows(500, 1)))


def test_a_collector_receives_joules_and_grams(report: Report) -> None:
    received: list[Any] = []
    with collector(received) as address:
        metrics.push(report, address)
    [found] = received[0].resource_metrics
    assert "autoscale-fleet" in [each.value.string_value for each in found.resource.attributes]
    [scope] = found.scope_metrics
    points = {
        (metric.name, *(each.value.string_value for each in point.attributes)): point.as_double or point.as_int
        for metric in scope.metrics
        for point in metric.gauge.data_points
    }
    assert points["autoscale.fleet.inferences",] == 500
    assert points["autoscale.fleet.energy", "remote"] == report.total.energy_uj.remote / 1e6
    carbon = [value for key, value in points.items() if key[0] == "autoscale.fleet.carbon"]
    assert sum(carbon) == pytest.approx(report.total.total_ng.mid / 1e9)
    assert points["autoscale.fleet.sci", "mid"] == pytest.approx(report.total.sci_g.mid)
    assert all(metric.description for metric in scope.metrics)
    assert {metric.unit for metric in scope.metrics} == {
        "{inference}",
        "1",
        "J",
        "g",
        "kWh",
        "kg CO2e",
        "g CO2e/inference",
    }


def test_each_declared_value_arrives_with_its_five_declarations(report: Report) -> None:
    received: list[Any] = []
    with collector(received) as address:
        metrics.push(report, address)
    arrived = [
        (metric.unit, point.as_double, {each.key: each.value.string_value for each in point.attributes})
        for metric in received[0].resource_metrics[0].scope_metrics[0].metrics
        if metric.name.startswith("autoscale.fleet.declared.")
        for point in metric.gauge.data_points
    ]
    assert all(unit == words["unit"] for unit, _, words in arrived)
    told = {words.pop("name"): (value, words) for _, value, words in arrived}
    declared = declarations(report)
    assert told == {each.name: (each.value, {of: getattr(each, of) for of in FIVE}) for each in declared}
    assert len(told) == len(declared)
    assert all(all(words.values()) for _, words in told.values())


def test_the_environment_names_the_service(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "our-fleet")
    received: list[Any] = []
    with collector(received) as address:
        metrics.push(report, address)
    attributes = received[0].resource_metrics[0].resource.attributes
    assert "our-fleet" in [each.value.string_value for each in attributes]


def test_no_collector_is_an_error_of_the_target(report: Report, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(TargetUnavailable, match="no collector of OTLP"):
        metrics.push(report, "127.0.0.1:1", timeout_s=0.5)
    assert caplog.text == ""
