"""Reads what GPT-SoVITS publishes and trains: checkpoints, without running anything that is in them.

    checkpoint = read_checkpoint("voice.pth")      tensors and plain metadata
    network = identify(checkpoint)                 what it is, its version and sizes, its tensors by name

`merge_lora` puts a LoRA of v3 or v4 into the network that it was trained on. Needs no torch.
"""

from timbral.conversion.checkpoints.acoustic import AcousticSizes
from timbral.conversion.checkpoints.checkpoint import Checkpoint, read_checkpoint
from timbral.conversion.checkpoints.encoders import BertSizes, HubertSizes, SpeakerSizes
from timbral.conversion.checkpoints.flow_matching import FlowMatchingSizes
from timbral.conversion.checkpoints.identify import Network, identify
from timbral.conversion.checkpoints.lora import LoraSizes
from timbral.conversion.checkpoints.merging import merge_lora
from timbral.conversion.checkpoints.semantic import SemanticSizes
from timbral.conversion.checkpoints.vocoders import GeneratorSizes, VocoderSizes

__all__ = [
    "AcousticSizes",
    "BertSizes",
    "Checkpoint",
    "FlowMatchingSizes",
    "GeneratorSizes",
    "HubertSizes",
    "LoraSizes",
    "Network",
    "SemanticSizes",
    "SpeakerSizes",
    "VocoderSizes",
    "identify",
    "merge_lora",
    "read_checkpoint",
]
