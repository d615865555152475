"""What speaks under load: models in memory, admission, and the way of a speech from samples to bytes."""
