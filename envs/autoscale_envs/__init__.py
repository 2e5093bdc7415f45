"""The simulator: worlds with network variance, as Gymnasium environments."""
