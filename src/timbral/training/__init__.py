"""Fine-tuning: networks of a bundle in torch again, what they learn from, and a voice that holds what they have learned."""
