"""Training and fine-tuning of the networks of a bundle, and the fine-tuned voice that comes out (needs
torch).
"""
