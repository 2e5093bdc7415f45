"""On the device: sense, choose, run, measure, learn."""
