"""Serving: the HTTP server, its voices, keys, limits, jobs and records."""
