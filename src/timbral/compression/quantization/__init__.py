"""Quantisation: the mixture of 4, 8 and 16 bits that meets a size or a loss, found by measuring every layer."""
