"""Judging a policy on queries that another one decided, from the probabilities that were logged with them."""
