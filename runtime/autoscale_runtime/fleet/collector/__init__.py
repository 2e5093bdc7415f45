"""The collector: takes the batches of a fleet over gRPC, and answers when they are in the ledger."""

from autoscale_runtime.fleet.collector.service import Collector, collect

__all__ = ["Collector", "collect"]
