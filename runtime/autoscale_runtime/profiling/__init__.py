"""Measures this device and writes its profile: ``autoscale calibrate``."""
