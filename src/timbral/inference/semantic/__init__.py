"""Stage one: phones to semantic tokens, batched across requests."""
