"""Speech for a text that is still being written: a session over a WebSocket."""
