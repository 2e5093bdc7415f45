"""How a model is best served on this machine: found by trying."""
