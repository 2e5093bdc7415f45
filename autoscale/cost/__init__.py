"""What a query costs, predicted from the profiles: time and energy of computing it, and of moving it.

>>> from autoscale.cost import compute
>>> from autoscale.networks import load_network
>>> from autoscale.profiles import load_device
>>> from autoscale.target import Target
>>> cost = compute(load_device("mi8pro"), load_network("mobilenet-v1"), Target.parse("device:cpu/fp32"))
>>> cost.low_s < cost.latency_s < cost.high_s
True
"""

from autoscale.cost.compute import Compute, CostTable, compute, table
from autoscale.cost.transfer import Transfer, transfer

__all__ = ["Compute", "CostTable", "Transfer", "compute", "table", "transfer"]
