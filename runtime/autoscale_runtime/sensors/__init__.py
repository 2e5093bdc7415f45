"""Sensors: what is seen."""
