"""Agents in a world whose physics are not ours: how far from the best they end, how sure they may be."""
