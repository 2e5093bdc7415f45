"""Judging a policy on queries that another one decided, from the probabilities that were logged with them."""

from autoscale.off_policy.estimators import Estimate
from autoscale.off_policy.judge import Judgement, judge
from autoscale.off_policy.logged import LoggedQuery

__all__ = ["Estimate", "Judgement", "LoggedQuery", "judge"]
