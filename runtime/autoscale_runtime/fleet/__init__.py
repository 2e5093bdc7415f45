"""The fleet: a log on every device, what carries it to the collector, and the collector that keeps the ledger."""

from autoscale_runtime.fleet.device_log.uploader import Uploader
from autoscale_runtime.fleet.device_log.writer import LedgerWriter

__all__ = ["LedgerWriter", "Uploader"]
