"""On the device: sense, choose, run, measure, learn."""

from autoscale_runtime.device.plan import RemoteModel
from autoscale_runtime.session import Session, SessionOptions

__all__ = ["RemoteModel", "Session", "SessionOptions"]
