"""What others recorded, played: powermetrics' text, Perfetto's power rails, made here as their makers document them."""

import zlib

import pytest

from autoscale.errors import TraceError, UnknownName
from autoscale.query.outcome import Method
from autoscale_runtime._proto import power_trace_pb2 as pb
from autoscale_runtime.meters import ReplayMeter
from autoscale_runtime.meters.checks import check_meter
from tests.runtime.meters.meters_parts import Clock

HEAD = "Machine model: Mac14,2\nOS version: 23F79\nBoot arguments:\nBoot time: Mon Nov 30 08:00:00 2026\n\n"


def sample(elapsed_ms, *lines):
    """One of powermetrics' samples (its manual page and what macOS 14 writes)."""
    head = f"*** Sampled system activity (Mon Nov 30 09:00:01 2026 +0000) ({elapsed_ms:.2f}ms elapsed) ***"
    return "\n".join([head, "", "**** Processor usage ****", "", "CPU 0 frequency: 1359 MHz", *lines, "", ""])


def combined(elapsed_ms, cpu_mw, gpu_mw, ane_mw):
    lines = [f"CPU Power: {cpu_mw} mW", f"GPU Power: {gpu_mw} mW", f"ANE Power: {ane_mw} mW"]
    return sample(elapsed_ms, *lines, f"Combined Power (CPU + GPU + ANE): {cpu_mw + gpu_mw + ane_mw} mW")


@pytest.fixture
def played(tmp_path):
    def play(content, **options):
        path, clock = tmp_path / "recorded", Clock()
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return ReplayMeter(path, clock, **options), clock

    return play


def test_powermetrics_is_played_as_the_estimate_it_is(played):
    meter, clock = played(HEAD + combined(1000.0, 800, 26, 324) + combined(500.0, 2000, 0, 0))
    mark = meter.begin()
    clock.now_s = 1.5
    reading = meter.end(mark)
    assert reading.energy_j == pytest.approx(1.15 + 1.0)
    assert reading.method is Method.MODELLED
    assert reading.source == "replay of recorded, processor package as powermetrics estimates it"
    assert (reading.sampling_s, reading.uncertainty_j) == (pytest.approx(0.75), 0.0)


@pytest.mark.parametrize(
    ("lines", "power_w"),
    [
        (["Intel energy model derived package power (CPUs+GT+SA): 2.48W"], 2.48),
        (["Package Power: 6100 mW", "CPU Power: 4000 mW"], 6.1),
        (["CPU Power: 1000 mW", "GPU Power: 0.5 W"], 1.5),
    ],
)
def test_powermetrics_of_other_machines(played, lines, power_w):
    meter, clock = played(sample(1000.0, *lines))
    mark = meter.begin()
    clock.now_s = 1.0
    assert meter.end(mark).energy_j == pytest.approx(power_w)


def test_a_sample_without_power_is_a_gap(played, caplog):
    text = combined(1000.0, 1000, 0, 0) + sample(1000.0, "CPU 1 frequency: 1 MHz") + combined(1000.0, 3000, 0, 0)
    meter, clock = played(text)
    assert "line 11: a sample without power" in caplog.text
    mark = meter.begin()
    clock.now_s = 1.0
    assert meter.end(mark).energy_j == pytest.approx(1.0)
    clock.now_s = 2.5
    assert meter.end(mark) is None
    mark = meter.begin()
    clock.now_s = 3.0
    assert meter.end(mark).energy_j == pytest.approx(1.5)


def test_powermetrics_conforms(played):
    meter, clock = played(combined(60_000.0, 5000, 0, 0))

    def pass_a_second():
        clock.now_s += 1.0
        return 5.0 if clock.now_s <= 60.0 else None

    def end():
        clock.now_s = 1000.0

    check_meter(meter, pass_a_second, unplug=end)


RAILS = {0: ("S2M_VDD_CPUCL2", "cpu"), 1: ("S4M_VDD_CPUCL0", "cpu"), 2: ("S2S_VDD_G3D", "gpu"), 3: ("L1M_WIFI", "wifi")}


def rails(*moments, compress=False, descriptors=RAILS):
    """A trace with a packet for each (ms, microjoules by rail), as traced_probes writes them."""
    trace = pb.Trace()
    names = trace.packet.add().power_rails
    for index, (name, subsystem) in descriptors.items():
        names.rail_descriptor.add(index=index, rail_name=name, subsys_name=subsystem, sampling_rate=1023)
    for timestamp_ms, energies_uj in moments:
        packet = trace.packet.add().power_rails
        for index, energy_uj in energies_uj.items():
            packet.energy_data.add(index=index, timestamp_ms=timestamp_ms, energy=energy_uj)
    if compress:
        trace = pb.Trace(packet=[pb.TracePacket(compressed_packets=zlib.compress(trace.SerializeToString()))])
    return trace.SerializeToString()


def moment(ms, *energies_uj):
    return ms, dict(enumerate(energies_uj))


SECONDS = [
    moment(5_000 + 1000 * n, 10_000_000 + 2_000_000 * n, 1_000_000 * n, 500_000 * n, 100_000 * n) for n in range(5)
]


@pytest.mark.parametrize("compress", [False, True])
def test_power_rails_are_summed_up_from_their_first_moment(played, compress):
    meter, clock = played(rails(*SECONDS, compress=compress))
    mark = meter.begin()
    clock.now_s = 2.0
    reading = meter.end(mark)
    assert reading.energy_j == pytest.approx(7.2)
    assert (reading.method, reading.sampling_s, reading.uncertainty_j) == (Method.MEASURED, 1.0, 0.0)
    assert meter.scope.endswith("power rails L1M_WIFI, S2M_VDD_CPUCL2, S2S_VDD_G3D, S4M_VDD_CPUCL0")
    assert meter.sees_radio
    clock.now_s = 2.5
    assert meter.end(mark).uncertainty_j == pytest.approx(3.6 / 2), "the counter was anything between two rows"


@pytest.mark.parametrize(("wanted", "energy_j"), [(["cpu"], 6.0), (["S2S_VDD_G3D"], 1.0), (["cpu", "gpu"], 7.0)])
def test_some_rails_may_be_meant(played, wanted, energy_j):
    meter, clock = played(rails(*SECONDS), rails=wanted)
    mark = meter.begin()
    clock.now_s = 2.0
    assert meter.end(mark).energy_j == pytest.approx(energy_j)
    assert not meter.sees_radio


def test_a_rail_that_fell_was_reset(played, caplog):
    after = moment(8_000, 10, 3_000_000, 1_500_000, 300_000), moment(9_000, 500_010, 3_500_000, 1_500_000, 300_000)
    meter, clock = played(rails(*SECONDS[:3], *after))
    mark = meter.begin()
    clock.now_s = 3.0
    assert meter.end(mark) is None
    mark = meter.begin()
    clock.now_s = 4.0
    assert meter.end(mark).energy_j == pytest.approx(1.0)
    assert "a counter fell" in caplog.text


def test_rails_that_come_in_packets_of_their_own_count_once_all_are_known(played):
    parts = [(1_000, {0: 100, 1: 100}), (1_001, {2: 100, 3: 100}), (2_001, {0: 1_000_100, 1: 100, 2: 500_100, 3: 100})]
    meter, clock = played(rails(*parts))
    mark = meter.begin()
    clock.now_s = 1.0
    assert meter.end(mark).energy_j == pytest.approx(1.5)


def test_power_rails_conform(played):
    meter, clock = played(rails(*[moment(1000 * n, 5_000_000 * n, 0, 0, 0) for n in range(80)]))

    def pass_a_second():
        clock.now_s += 1.0
        return 5.0 if clock.now_s <= 79.0 else None

    def end():
        clock.now_s = 1000.0

    check_meter(meter, pass_a_second, unplug=end)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (rails(), "has 0 moments of power rails"),
        (rails(SECONDS[0]), "has 1 moments of power rails; allowed: at least two. Record android.power"),
        (pb.Trace(packet=[pb.TracePacket()]).SerializeToString(), "has 0 moments"),
        (b"\n\xff\xff\xff", "neither text nor a trace of Perfetto's"),
        (
            pb.Trace(packet=[pb.TracePacket(compressed_packets=b"no zlib")]).SerializeToString(),
            "neither text nor a trace of Perfetto's",
        ),
        (sample(1000.0, "CPU 1 frequency: 1 MHz"), "line 1: a sample without power"),
    ],
)
def test_what_cannot_be_played_is_refused(played, content, message):
    with pytest.raises(TraceError, match=message):
        played(content)


def test_rails_are_checked(played):
    with pytest.raises(UnknownName, match="did you mean 'gpu'"):
        played(rails(*SECONDS), rails=["gpuu"])
    with pytest.raises(TraceError, match="has no power rails: cpu"):
        played("time_s,energy_j\n0,1\n1,2\n", rails=["cpu"])
    with pytest.raises(TraceError, match="cannot read the trace"):
        ReplayMeter("no such file")  # type: ignore[arg-type]
