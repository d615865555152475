"""Hashes that decide which voices fit a model.

A voice holds tokens and a timbre, which depend on the encoders only: not on stage one, the decoder, or the
precision of the graphs. An adapter of a fine-tuned voice fits the weights of both stages, in any precision.
"""

import hashlib

from torch import nn

from timbral.nets.prior import PriorNetwork

_ENCODER_WEIGHTS = ("ssl_proj.", "ref_enc.", "sv_emb.", "prelu.", "quantizer.vq.layers.0._codebook.embed")
"""Prefixes of the weights in stage two that tokens and timbre depend on."""
_TRAINING_ONLY = "embed_avg"

ENCODERS, WEIGHTS = 8, 8
"""Hexadecimal digits of the hashes of the encoders, and of the weights of a stage."""


class Fingerprint:
    """Hash of weights in half precision, the same for a file in float32."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, part: str, network: nn.Module, prefixes: tuple[str, ...] = ("",)) -> None:
        """Adds the weights of a network whose names begin with one of these."""
        for name, tensor in sorted(network.state_dict().items()):
            if name.startswith(prefixes) and tensor.is_floating_point() and not name.endswith(_TRAINING_ONLY):
                self._hash.update(f"{part}.{name}{tuple(tensor.shape)}".encode())
                self._hash.update(tensor.detach().half().numpy().tobytes())

    def add_encoders(self, stage_two: PriorNetwork) -> None:
        """Adds the encoders in a stage two, of tokens and timbre."""
        self.add("stage two", stage_two, _ENCODER_WEIGHTS)

    def digest(self, length: int) -> str:
        """The first `length` hexadecimal digits."""
        return self._hash.hexdigest()[:length]


def weights_of(stage: str, network: nn.Module) -> str:
    """Hash of the weights of a stage: eight hexadecimal digits, the same in every precision."""
    fingerprint = Fingerprint()
    fingerprint.add(stage, network)
    return fingerprint.digest(WEIGHTS)
