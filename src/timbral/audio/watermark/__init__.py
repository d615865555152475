"""An inaudible mark in everything that is spoken, and how it is found again: spread-spectrum watermarking.

Needs numpy alone. After Kirovski and Malvar, Spread-spectrum watermarking of audio signals, IEEE Transactions
on Signal Processing 51, 2003.
"""

from timbral.audio.watermark.detection import Detection, detect_watermark
from timbral.audio.watermark.embedding import WatermarkEmbedder
from timbral.audio.watermark.pattern import PUBLIC_KEY

__all__ = ["PUBLIC_KEY", "Detection", "WatermarkEmbedder", "detect_watermark"]
