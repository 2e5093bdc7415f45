"""What a container may use, on trees as kernels and container engines lay them out; and of this process, as it is."""

import os
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale_runtime.backends.cpu import cpu_targets, cpu_threads
from autoscale_runtime.host.control_group import ControlGroup
from autoscale_runtime.host.cores import allowed_cores, usable_cores
from autoscale_runtime.sensors import LoadSensor

GIB = 1 << 30
V2 = "30 23 0:26 {root} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
CPU = "32 31 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct"
MEMORY = "35 31 0:32 {root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"
ELSEWHERE = "25 1 8:1 / / rw,relatime - ext4 /dev/root rw"


def tree(root: Path, groups: str, mounts: list[str], mounted: str = "/", **files: object) -> ControlGroup:
    """A fake root; files are named by their path under /sys/fs/cgroup, with ``__`` for a slash and ``_`` for a dot."""
    write(root / "proc/self/cgroup", groups)
    write(root / "proc/self/mountinfo", "\n".join(each.format(root=mounted) for each in (ELSEWHERE, *mounts)))
    for path, text in files.items():
        write(root / "sys/fs/cgroup" / path.replace("__", "/"), text)
    return ControlGroup(root)


def write(path: Path, text: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def test_version_2_in_a_namespace_of_its_own(tmp_path):
    group = tree(tmp_path, "0::/", [V2], **{"cpu.max": "150000 100000", "memory.max": GIB, "memory.current": GIB // 2})
    assert group.cpu_quota() == 1.5
    assert group.memory() == (GIB, GIB // 2)


def test_version_2_takes_the_tightest_level(tmp_path):
    files = {"pod__cpu.max": "200000 100000", "pod__app__cpu.max": "max 100000"}
    files |= {"pod__memory.max": GIB, "pod__memory.current": 700, "pod__app__memory.max": "max"}
    files |= {"pod__memory.stat": "anon 500\ninactive_file 200\nactive_file 0"}
    group = tree(tmp_path, "0::/pod/app", [V2], **files)
    assert group.cpu_quota() == 2.0
    assert group.memory() == (GIB, 500)
    write(tmp_path / "sys/fs/cgroup/pod/app/cpu.max", "50000 100000")
    write(tmp_path / "sys/fs/cgroup/pod/app/memory.max", GIB // 4)
    write(tmp_path / "sys/fs/cgroup/pod/app/memory.current", 300)
    assert group.cpu_quota() == 0.5
    assert group.memory() == (GIB // 4, 300)


def test_version_1_mounted_from_the_containers_own_group(tmp_path):
    files = {"cpu,cpuacct__cpu.cfs_quota_us": 250000, "cpu,cpuacct__cpu.cfs_period_us": 100000}
    files |= {"memory__memory.limit_in_bytes": 2 * GIB, "memory__memory.usage_in_bytes": GIB}
    files |= {"memory__memory.stat": f"inactive_file 1\ntotal_inactive_file {GIB // 4}"}
    groups = "4:cpu,cpuacct:/docker/1f2e\n3:memory:/docker/1f2e\n0::/"
    group = tree(tmp_path, groups, [CPU, MEMORY], mounted="/docker/1f2e", **files)
    assert group.cpu_quota() == 2.5
    assert group.memory() == (2 * GIB, GIB - GIB // 4)


def test_version_1_from_the_host_with_a_parents_quota(tmp_path):
    files = {"cpu,cpuacct__a__cpu.cfs_quota_us": 100000, "cpu,cpuacct__a__cpu.cfs_period_us": 50000}
    files |= {"cpu,cpuacct__a__b__cpu.cfs_quota_us": -1, "cpu,cpuacct__a__b__cpu.cfs_period_us": 100000}
    files |= {"memory__a__b__memory.limit_in_bytes": 9223372036854771712}
    group = tree(tmp_path, "2:memory:/a/b\n1:cpu,cpuacct:/a/b", [CPU, MEMORY], **files)
    assert group.cpu_quota() == 2.0
    assert group.memory() is None


def test_another_namespaces_path_is_the_mount_point(tmp_path):
    group = tree(tmp_path, "0::/../../machine/app", [V2], mounted="/machine/other", **{"cpu.max": "100000 100000"})
    assert group.cpu_quota() == 1.0


def test_a_limit_is_read_anew(tmp_path):
    group = tree(tmp_path, "0::/", [V2], **{"cpu.max": "max 100000"})
    assert group.cpu_quota() is None
    write(tmp_path / "sys/fs/cgroup/cpu.max", "100000 100000")
    assert group.cpu_quota() == 1.0


@pytest.mark.parametrize("text", ["max 100000", "0 100000", "-1 100000", "100000 0", "", "much", "1e5 1e5", "1 2 3"])
def test_what_is_no_quota_limits_nothing(tmp_path, text):
    assert tree(tmp_path, "0::/", [V2], **{"cpu.max": text}).cpu_quota() is None


@pytest.mark.parametrize("text", ["max", "0", "-1", "", "much"])
def test_what_is_no_limit_limits_nothing(tmp_path, text):
    assert tree(tmp_path, "0::/", [V2], **{"memory.max": text, "memory.current": 1}).memory() is None


def test_without_control_groups_there_is_no_limit(tmp_path):
    group = ControlGroup(tmp_path)
    assert group.cpu_quota() is None
    assert group.memory() is None


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_is_a_group_or_none(tmp_path_factory, groups, mounts):
    root = tmp_path_factory.mktemp("root")
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups, encoding="utf-8", newline="")
    (root / "proc/self/mountinfo").write_text(mounts, encoding="utf-8", newline="")
    assert ControlGroup(root).cpu_quota() is None


@pytest.mark.parametrize(("quota", "cores"), [("1", 1), ("100000", 1), ("100001", 2), ("250000", 3), ("99900000", 999)])
def test_usable_cores_are_those_allowed_that_the_quota_pays_for(tmp_path, quota, cores):
    group = tree(tmp_path, "0::/", [V2], **{"cpu.max": f"{quota} 100000"})
    assert usable_cores(group) == min(cores, len(allowed_cores()))


def test_the_targets_of_this_process_follow():
    most = max(target.threads for target in cpu_targets("fp32"))
    assert most == usable_cores() == cpu_threads(cpu_targets("fp32")[-1]) <= len(os.sched_getaffinity(os.getpid()))


def test_where_the_system_has_no_affinity_all_cores_are_allowed(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    assert allowed_cores() == frozenset(range(os.cpu_count()))


def test_memory_load_is_of_the_containers_limit(tmp_path):
    limit = psutil.virtual_memory().total // 2
    files = {"memory.max": limit, "memory.current": limit - limit // 4, "memory.stat": f"inactive_file {limit // 4}"}
    group = tree(tmp_path, "0::/", [V2], **files)
    own_bytes = psutil.Process().memory_info().rss
    assert LoadSensor(group=group).read().memory_load == pytest.approx(0.5 - own_bytes / limit, abs=0.01)
    (tmp_path / "sys/fs/cgroup/memory.current").unlink()
    observation = LoadSensor(group=group).read()
    assert observation.memory_load is None, "what is held of a limit is not known"


def test_a_limit_above_the_machines_memory_limits_nothing(tmp_path):
    group = tree(tmp_path, "0::/", [V2], **{"memory.max": 1 << 50, "memory.current": 1 << 49})
    assert LoadSensor(group=group).read().memory_load < 1.0
    assert LoadSensor(group=group).read().memory_load == pytest.approx(LoadSensor().read().memory_load, abs=0.05)
