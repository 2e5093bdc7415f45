"""A server measured by MLPerf's LoadGen, the joules of each sample beside."""
