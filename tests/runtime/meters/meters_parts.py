"""Counters and gauges of joules as Linux shows them, in a folder that a test fills, on a clock that it sets."""

from pathlib import Path

from autoscale_runtime.meters.battery import BatteryMeter
from autoscale_runtime.meters.rapl import RaplMeter

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
