"""Reads what GPT-SoVITS publishes and trains: checkpoints, without running anything that is in them.

    checkpoint = read_checkpoint("voice.pth")      tensors and plain metadata
    network = identify(checkpoint)                 what it is, its version and sizes, its tensors by name

`merge_lora` puts a LoRA of v3 or v4 into the network that it was trained on. Needs no torch.
"""

from timbral.official.acoustic import AcousticSizes
from timbral.official.checkpoint import Checkpoint, read_checkpoint
from timbral.official.encoders import BertSizes, HubertSizes, SpeakerSizes
from timbral.official.flow_matching import FlowMatchingSizes
from timbral.official.identify import Network, identify
from timbral.official.lora import LoraSizes
from timbral.official.merging import merge_lora
from timbral.official.semantic import SemanticSizes
from timbral.official.vocoders import GeneratorSizes, VocoderSizes

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
