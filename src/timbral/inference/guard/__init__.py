"""Hallucination checks of generated tokens, and the policy of retries."""
