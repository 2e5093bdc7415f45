"""The grids behind a session or a server, as time goes on."""
