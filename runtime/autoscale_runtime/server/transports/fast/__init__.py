"""gRPC over libnghttp2 and asyncio: a tenth of the CPU time of gRPC's own server, and every limit its own to set."""
