"""A cpufreq tree as Linux shows it, of two policies."""

from pathlib import Path

from autoscale_runtime.host.cpu_frequency import CpuFrequency

STEPS_KHZ = (500_000, 1_000_000, 1_500_000)
LIMITS = {"policy0": (500_000, 1_500_000), "policy4": (600_000, 1_400_000)}


class Tree:
    def __init__(self, root: Path) -> None:
        self.root, self.note = root, root / "note.json"
        self.policies = root / "sys/devices/system/cpu/cpufreq"
        self.write(root / "proc/sys/kernel/random/boot_id", "boot-1")
        for name, (least, most) in LIMITS.items():
            folder = self.policies / name
            self.write(folder / "scaling_available_frequencies", " ".join(map(str, STEPS_KHZ)))
            self.write(folder / "cpuinfo_min_freq", STEPS_KHZ[0])
            self.write(folder / "cpuinfo_max_freq", STEPS_KHZ[-1])
            self.write(folder / "scaling_min_freq", least)
            self.write(folder / "scaling_max_freq", most)

    def write(self, path: Path, value: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")

    def made(self) -> CpuFrequency:
        return CpuFrequency(self.root, self.note)

    def limits(self) -> dict[str, tuple[int, ...]]:
        ends = ("scaling_min_freq", "scaling_max_freq")
        return {each.name: tuple(int((each / end).read_text()) for end in ends) for each in self.policies.iterdir()}

    def is_back(self) -> bool:
        # The note goes last: until then a file may be half written.
        return not self.note.exists() and self.limits() == LIMITS
