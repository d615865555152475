"""Compression: steps that make a bundle smaller (quantise, prune, distil), each a function from bundle to bundle.

`pipeline.compress` runs steps one after the other, `registry` lists them and the presets.
"""
