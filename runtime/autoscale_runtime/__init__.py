"""On the device and beside it: sense, choose, run, measure, learn. What this package exports is all it promises.

>>> from autoscale_runtime import Session
>>> session = Session("model.onnx", remotes={"cloud": "192.0.2.7:8001"})  # doctest: +SKIP

Names are imported when they are first asked for; what needs the package of an extra says so then.
"""

from typing import TYPE_CHECKING

from autoscale.lazy import lazy_names

if TYPE_CHECKING:
    from autoscale_runtime.backends.base import Answer, Backend, Runner
    from autoscale_runtime.backends.checks import check_backend
    from autoscale_runtime.backends.tensors import TensorSpec
    from autoscale_runtime.cascade.cascade import Cascade, CascadeCalibration, CascadeDecision
    from autoscale_runtime.device.nearby import nearby
    from autoscale_runtime.device.options import SessionOptions
    from autoscale_runtime.device.plan import RemoteModel
    from autoscale_runtime.device.rules import Rules
    from autoscale_runtime.fleet.collector.service import collect
    from autoscale_runtime.fleet.device_log.uploader import Uploader, UploadOptions
    from autoscale_runtime.fleet.device_log.writer import LedgerWriter
    from autoscale_runtime.installing import install, uninstall
    from autoscale_runtime.meters.base import CounterMeter
    from autoscale_runtime.meters.checks import check_meter
    from autoscale_runtime.sensors.base import Sensor
    from autoscale_runtime.sensors.checks import check_sensor
    from autoscale_runtime.server.server import serve
    from autoscale_runtime.session import Session
    from autoscale_runtime.twins import offloadable

__all__ = [
    "Answer",
    "Backend",
    "Cascade",
    "CascadeCalibration",
    "CascadeDecision",
    "CounterMeter",
    "LedgerWriter",
    "RemoteModel",
    "Rules",
    "Runner",
    "Sensor",
    "Session",
    "SessionOptions",
    "TensorSpec",
    "UploadOptions",
    "Uploader",
    "check_backend",
    "check_meter",
    "check_sensor",
    "collect",
    "install",
    "nearby",
    "offloadable",
    "serve",
    "uninstall",
]

__getattr__ = lazy_names(
    __name__,
    {
        "autoscale_runtime.backends.base": "Answer Backend Runner",
        "autoscale_runtime.backends.checks": "check_backend",
        "autoscale_runtime.backends.tensors": "TensorSpec",
        "autoscale_runtime.cascade.cascade": "Cascade CascadeCalibration CascadeDecision",
        "autoscale_runtime.device.nearby": "nearby",
        "autoscale_runtime.device.options": "SessionOptions",
        "autoscale_runtime.device.plan": "RemoteModel",
        "autoscale_runtime.device.rules": "Rules",
        "autoscale_runtime.fleet.collector.service": "collect",
        "autoscale_runtime.fleet.device_log.uploader": "UploadOptions Uploader",
        "autoscale_runtime.fleet.device_log.writer": "LedgerWriter",
        "autoscale_runtime.installing": "install uninstall",
        "autoscale_runtime.meters.base": "CounterMeter",
        "autoscale_runtime.meters.checks": "check_meter",
        "autoscale_runtime.sensors.base": "Sensor",
        "autoscale_runtime.sensors.checks": "check_sensor",
        "autoscale_runtime.server.server": "serve",
        "autoscale_runtime.session": "Session",
        "autoscale_runtime.twins": "offloadable",
    },
)
