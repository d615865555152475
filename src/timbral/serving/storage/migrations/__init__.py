"""Migrations of the database, applied in order when the server starts."""
