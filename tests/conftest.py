"""The same on every machine: hypothesis draws the same examples everywhere and times none of them."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "any-machine", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any-machine")
