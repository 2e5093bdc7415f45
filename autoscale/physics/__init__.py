"""What a query costs, predicted from the profiles: time and energy of computing it, and of moving it.

>>> from autoscale.physics import compute
>>> from autoscale.profiles.networks import load_network
>>> from autoscale.profiles import load_device
>>> from autoscale.query.target import Target
>>> cost = compute(load_device("mi8pro"), load_network("mobilenet-v1"), Target.parse("device:cpu/fp32"))
>>> cost.low_s < cost.latency_s < cost.high_s
True
"""

from autoscale.physics.compute import Compute, CostTable, compute, table
from autoscale.physics.transfer import Transfer, transfer

__all__ = ["Compute", "CostTable", "Transfer", "compute", "table", "transfer"]
