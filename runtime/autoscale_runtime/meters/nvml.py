"""NVML: the energy counters of NVIDIA GPUs (Volta and later), which tell millijoules of the board alone."""

import time
from collections.abc import Callable
from importlib import import_module
from threading import Lock
from typing import Any, ClassVar, Self

from autoscale_runtime.meters.base import CounterMeter
from autoscale_runtime.meters.counter_sum import CounterSum


class NvmlMeter(CounterMeter):
    """All GPUs of the machine that count, together; the host's processor is not in it.

    Needs the package ``nvidia-ml-py``; without it, a driver or a GPU, it is not available. The counters are
    refreshed every 20 to 100 ms, hence no reading below 200 ms. They start again from 0 with the driver: a gap.

    Args:
        clock: seconds, monotonic.
    """

    name: ClassVar[str] = "nvml"
    shortest_s: ClassVar[float] = 0.2
    refresh_s = 0.1
    gain_error = 0.05  # Yang et al., "Accurate and Convenient Energy Measurements for GPUs", SC 2024
    scope = "NVML, GPU boards alone"

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._nvml: Any = None
        self._gpus: dict[str, Any] = {}
        self._lock = Lock()
        self._sum = CounterSum()

    @classmethod
    def on_this_host(cls, power_table: str | None) -> Self:
        """The GPUs of this machine; they need no power table."""
        return cls()

    def read_j(self) -> float:
        """Joules of the boards since the first call.

        Raises:
            OSError: no package, driver or GPU, or none with a counter; one that had a counter is lost.
        """
        with self._lock:
            try:
                if self._nvml is None:
                    self._open()
                now_j = {name: self._energy_j(gpu) for name, gpu in self._gpus.items()}
            except ImportError as error:
                raise OSError("the package is not installed: pip install nvidia-ml-py") from error
            except Exception as error:
                # pynvml's errors are no subclass of anything narrower, and its class is known only once imported.
                # The next call looks anew at what is there: the driver may be back, or a board gone.
                self._nvml = None
                raise OSError(f"NVML: {error}") from error
            for problem in self._sum.add(now_j, self.clock()):
                self.gap(problem)
            return self._sum.total_j

    def _open(self) -> None:
        nvml = import_module("pynvml")
        nvml.nvmlInit()
        self._nvml, self._gpus = nvml, {}
        trouble = "no GPU"
        for index in range(nvml.nvmlDeviceGetCount()):
            try:
                gpu = nvml.nvmlDeviceGetHandleByIndex(index)
                self._energy_j(gpu)
            except nvml.NVMLError as error:  # lost, or older than Volta
                trouble = f"GPU {index} does not count: {error}"
            else:
                self._gpus[f"GPU {index}"] = gpu
        if not self._gpus:
            raise OSError(trouble)

    def _energy_j(self, gpu: Any) -> float:
        return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(gpu)) / 1e3
