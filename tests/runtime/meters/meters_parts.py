"""Counters and gauges of joules as Linux shows them, in a folder that a test fills, on a clock that it sets."""

from pathlib import Path
from typing import ClassVar

from autoscale_runtime.meters.battery import BatteryMeter
from autoscale_runtime.meters.ina3221 import Ina3221Meter
from autoscale_runtime.meters.rapl import RaplMeter
from autoscale_runtime.meters.rapl_perf import RaplPerfMeter

RANGE_UJ = 262_143_328_850


class Clock:
    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


class Rapl:
    """A fake powercap tree whose domains a test sets."""

    def __init__(self, root):
        self.root = Path(root)
        self.clock = Clock()
        self.files = {}
        for folder, name in (
            ("intel-rapl:0", "package-0"),
            ("intel-rapl:0:0", "core"),
            ("intel-rapl:0:1", "dram"),
            ("intel-rapl:1", "psys"),
        ):
            domain = self.root / "sys/class/powercap" / folder
            domain.mkdir(parents=True)
            (domain / "name").write_text(f"{name}\n")
            (domain / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
            self.files[name] = domain / "energy_uj"
            self.files[name].write_text("1000\n")

    def meter(self):
        return RaplMeter(self.root, self.clock)

    def spend(self, name, uj):
        file = self.files[name]
        file.write_text(f"{(int(file.read_text()) + uj) % (RANGE_UJ + 1)}\n")


class Battery:
    """A fake battery whose gauge a test sets."""

    def __init__(self, root, **files):
        self.clock = Clock()
        self.root = Path(root)
        self.folder = self.root / "sys/class/power_supply/BAT1"
        self.folder.mkdir(parents=True)
        self.set(type="Battery", status="Discharging", **files)

    def set(self, **files):
        for name, value in files.items():
            (self.folder / name).write_text(f"{value}\n")

    def meter(self):
        return BatteryMeter(self.root, self.clock)


class PerfPower:
    """A PMU ``power`` in sysfs, as Linux 6 writes it, and the counters that perf_event_open would give."""

    SCALE_J = 2.3283064365386962890625e-10
    FILES: ClassVar = {
        "type": "9",
        "cpumask": "0,24",
        "events/energy-pkg": "event=0x02",
        "events/energy-pkg.scale": "2.3283064365386962890625e-10",
        "events/energy-pkg.unit": "Joules",
        "events/energy-ram": "event=0x03",
        "events/energy-ram.scale": "2.3283064365386962890625e-10",
        "events/energy-ram.unit": "Joules",
        "events/energy-psys": "event=0x05",
        "events/energy-psys.scale": "2.3283064365386962890625e-10",
        "events/energy-psys.unit": "Joules",
    }

    def __init__(self, root):
        self.root, self.clock = Path(root), Clock()
        self.opened, self.counts, self.is_there, self.refusal = [], {}, True, None
        self.folder = self.root / "sys/bus/event_source/devices/power"
        for name, text in self.FILES.items():
            self.set(name, text)

    def set(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")

    def meter(self):
        return RaplPerfMeter(self.root, self.clock, self.open)

    def open(self, pmu, config, cpu):
        if self.refusal is not None:
            raise self.refusal
        self.opened.append((pmu, config, cpu))
        self.counts.setdefault((config, cpu), 0)
        return PerfCount(self, (config, cpu))

    def spend(self, config, cpu, joules):
        self.counts[config, cpu] += round(joules / self.SCALE_J)


class PerfCount:
    def __init__(self, power, key):
        self.power, self.key = power, key

    def count(self):
        if not self.power.is_there:
            raise OSError("CPU 24 is offline")
        return self.power.counts[self.key]


class Ina3221:
    """A Jetson Orin Nano's power monitor as the kernel's driver shows it (Documentation/hwmon/ina3221.rst)."""

    def __init__(self, root, labels=("VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC")):
        self.root, self.clock = Path(root), Clock()
        self.chip = self.root / "sys/class/hwmon/hwmon1"
        self.chip.mkdir(parents=True)
        self.set(name="ina3221", update_interval=34, in7_label="sum of shunt voltages")
        for n, label in enumerate(labels, start=1):
            self.set(**{f"in{n}_label": label, f"in{n}_enable": 1, f"shunt{n}_resistor": 5000})
            self.draw(n, 0.0)

    def set(self, **files):
        for name, value in files.items():
            (self.chip / name).write_text(f"{value}\n")

    def draw(self, channel, power_w, voltage_mv=5000):
        self.set(**{f"in{channel}_input": voltage_mv, f"curr{channel}_input": round(power_w * 1e6 / voltage_mv)})

    def meter(self, **options):
        return Ina3221Meter(self.root, self.clock, **{"period_s": None, **options})
