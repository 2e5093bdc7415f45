"""Physics: time, energy and carbon of a query, each formula once, on numbers and on arrays alike.

``compute`` predicts the time of computing from the profiles (``roofline``); ``power`` and ``radio`` turn times and
bytes into joules, ``carbon`` joules, seconds and bytes into grams. The simulator, the device's meters and the server's
account all call them.

>>> from autoscale.physics.compute import compute
>>> from autoscale.profiles.networks import load_network
>>> from autoscale.profiles import load_device
>>> from autoscale.query.target import Target
>>> cost = compute(load_device("mi8pro"), load_network("mobilenet-v1"), Target.parse("device:cpu/fp32"))
>>> cost.low_s < cost.latency_s < cost.high_s
True
"""
