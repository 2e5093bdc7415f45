"""Embodied carbon: what is embodied in the machines, reported or estimated, and the share a use carries."""
