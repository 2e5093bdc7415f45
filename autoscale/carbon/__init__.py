"""Carbon: operational and embodied, and the SCI score made of both."""

from autoscale.carbon.embodied import embodied_g
from autoscale.carbon.operational import operational_g
from autoscale.carbon.sci import sci_g

__all__ = ["embodied_g", "operational_g", "sci_g"]
