"""Which voices fit a model: those that were heard by the same networks; and, of fine-tuned ones, on the same weights.

A voice holds tokens and a timbre. They mean the same wherever the networks that hear them are the same, however stage
one, the sound or the precision of the graphs may differ. What fine-tuning changes fits the weights of both stages, in any
precision.
"""

import hashlib

from torch import nn

from timbral.nets.prior import PriorNetwork

_ENCODER_WEIGHTS = ("ssl_proj.", "ref_enc.", "sv_emb.", "prelu.", "quantizer.vq.layers.0._codebook.embed")
"""Beginnings of the names in stage two that tokens and timbre depend on; `embed_avg` is left out by its name's end."""
_LEARNING = "embed_avg"

ENCODERS, WEIGHTS = 8, 8
"""Hexadecimal digits of what names the networks that hear, and the weights of a stage."""


class Fingerprint:
    """Gathers weights in half precision, in which checkpoints are published, so that a file in float32 is the same."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, part: str, network: nn.Module, prefixes: tuple[str, ...] = ("",)) -> None:
        """Takes in the weights of a network whose names begin with one of these."""
        for name, tensor in sorted(network.state_dict().items()):
            if name.startswith(prefixes) and tensor.is_floating_point() and not name.endswith(_LEARNING):
                self._hash.update(f"{part}.{name}{tuple(tensor.shape)}".encode())
                self._hash.update(tensor.detach().half().numpy().tobytes())

    def add_encoders(self, stage_two: PriorNetwork) -> None:
        """Takes in what makes tokens and timbre in a stage two."""
        self.add("stage two", stage_two, _ENCODER_WEIGHTS)

    def digest(self, length: int) -> str:
        """So many hexadecimal digits."""
        return self._hash.hexdigest()[:length]


def weights_of(stage: str, network: nn.Module) -> str:
    """What names the weights of a stage: eight hexadecimal digits, whatever the precision they are stored in."""
    fingerprint = Fingerprint()
    fingerprint.add(stage, network)
    return fingerprint.digest(WEIGHTS)
