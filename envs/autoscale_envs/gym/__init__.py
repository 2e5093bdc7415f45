"""Gymnasium's environments over the simulated world."""
