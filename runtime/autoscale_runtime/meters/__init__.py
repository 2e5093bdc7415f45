"""Meters: what is spent."""
