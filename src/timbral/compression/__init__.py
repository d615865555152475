"""Compression: steps that make a bundle smaller (quantise, prune, distil), each a function from bundle to bundle."""
