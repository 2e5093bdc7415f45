"""Training agents in the simulator."""
