"""Inference: runs the graphs of a bundle with numpy and onnxruntime, and never imports torch.

The engine is shared and immutable; everything that belongs to one request lives in that request's own objects, so that
two voices can never meet.
"""
