"""Embodied carbon: what making the machines emitted, reported or estimated, and the share a use carries."""
