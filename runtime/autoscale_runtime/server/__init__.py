"""The offload server: it answers queries of other devices."""
