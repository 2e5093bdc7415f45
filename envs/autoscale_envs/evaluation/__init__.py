"""Who does how well: every agent beside the paper's baselines and the oracle, over the same queries."""
