"""Agents: who chooses the target."""
