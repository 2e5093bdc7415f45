"""The fleet: a log on every device, what carries it to the collector, and the collector that keeps the ledger."""

from autoscale_runtime.fleet.uploader import Uploader
from autoscale_runtime.fleet.writer import LedgerWriter

__all__ = ["LedgerWriter", "Uploader"]
