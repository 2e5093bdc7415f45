"""Offload: the server, the client and the link between them."""
