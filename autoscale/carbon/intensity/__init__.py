"""Carbon intensity of electricity: by place and hour, from whatever source tells it."""

from autoscale.carbon.intensity.base import INTENSITY_SOURCES, KINDS, Intensity, IntensitySource, Kind

__all__ = ["INTENSITY_SOURCES", "KINDS", "Intensity", "IntensitySource", "Kind"]
