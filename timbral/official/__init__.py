"""Reads what GPT-SoVITS publishes and trains: checkpoints, without running anything that is in them.

    checkpoint = read_checkpoint("voice.pth")      tensors and plain metadata
    network = identify(checkpoint)                 what it is, its version and sizes, its tensors by name

`merge_lora` puts a LoRA of v3 or v4 into the network that it was trained on. Needs no torch.
"""

from timbral.official.checkpoint import Checkpoint, read_checkpoint

__all__ = ["Checkpoint", "read_checkpoint"]
