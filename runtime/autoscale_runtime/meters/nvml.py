"""NVML: the energy counters of NVIDIA GPUs (Volta and later), which tell millijoules of the board alone."""

import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, ClassVar, Self

from autoscale_runtime.meters.base import CounterMeter


class NvmlMeter(CounterMeter):
    """All GPUs of the machine together; the host's processor is not in it.

    Needs the package ``nvidia-ml-py``; without it, a driver or a GPU, it is not available. The counters are
    refreshed every 20 to 100 ms, hence no reading below 200 ms.
    """

    name: ClassVar[str] = "nvml"
    shortest_s: ClassVar[float] = 0.2
    scope = "NVML, GPU boards alone"

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._nvml: Any = None
        self._gpus: list[Any] = []

    @classmethod
    def on_this_host(cls, power_table: str | None) -> Self:
        """The GPUs of this machine; they need no power table."""
        return cls()

    def read_j(self) -> float:
        """Joules of all boards since the driver was loaded.

        Raises:
            OSError: no package, driver or GPU, or a GPU without a counter.
        """
        try:
            if self._nvml is None:
                self._open()
            spent_mj = [self._nvml.nvmlDeviceGetTotalEnergyConsumption(gpu) for gpu in self._gpus]
            return float(sum(spent_mj)) / 1e3
        except ImportError as error:
            raise OSError("the package is not installed: pip install nvidia-ml-py") from error
        except Exception as error:
            # pynvml's errors are no subclass of anything narrower, and its class is known only once imported.
            raise OSError(f"NVML: {error}") from error

    def _open(self) -> None:
        nvml = import_module("pynvml")
        nvml.nvmlInit()
        count = nvml.nvmlDeviceGetCount()
        if not count:
            raise OSError("no GPU")
        self._gpus = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
        self._nvml = nvml
