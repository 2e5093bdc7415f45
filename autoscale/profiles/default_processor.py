"""A processor that a machine has and its power table lacks, at watts that anybody would assume.

>>> from autoscale.profiles import load_device
>>> laptop = load_device("laptop")
>>> "gpu" in laptop.processors, round(completed(laptop, "gpu").processors["gpu"].busy_w(), 1) > 0.0
(False, True)
"""

from dataclasses import replace
from types import MappingProxyType
from typing import Final

import numpy as np

from autoscale.errors import one_of
from autoscale.profiles.device import DeviceProfile
from autoscale.profiles.processor import Processor
from autoscale.query.target import PRECISIONS, PROCESSORS

SHARE_OF_CPU: Final = MappingProxyType({"gpu": 0.585, "npu": 0.33})
"""What an accelerator draws while it works, as a share of the same machine's CPU on all cores: the median over the
machines in ``devices/`` that have one."""


def completed(machine: DeviceProfile, processor: str) -> DeviceProfile:
    """The machine with that processor: as its table has it, else at default watts, part of no idle power.

    Raises:
        UnknownName: no such processor exists anywhere.
    """
    if processor in machine.processors:
        return machine
    one_of(f"processor of {machine.name}", processor, PROCESSORS)
    cpu = machine.processors["cpu"]
    busy_w = np.array([SHARE_OF_CPU[processor] * cpu.busy_w(cpu.cores)])
    assumed = Processor(processor, f"a usual {processor}", PRECISIONS, 1, (), busy_w, np.zeros(1), 0.0)
    return replace(machine, processors={**machine.processors, processor: assumed})
