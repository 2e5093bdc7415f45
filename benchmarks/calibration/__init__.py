"""Speeds of processors from measured latencies: the data, the studies, the fit."""
