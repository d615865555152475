"""The work of GPT-SoVITS's own code, in plain torch and float32, for comparison on the same machine in the same run.

What counts for its speed is kept: a key/value cache that is concatenated for each token and layer, and weight norm that is
computed in every call of the vocoder.
"""

import torch
from torch import Tensor
from torch.nn import functional

from timbral.nets.acoustic import AcousticNetwork
from timbral.nets.semantic import SemanticTransformer, TransformerLayer


class SemanticPeer:
    """Stage one, a token at a time, over weights of our network."""

    def __init__(self, network: SemanticTransformer, filled: int) -> None:
        self.network = network
        self.layers = [layer for layer in network.h.layers if isinstance(layer, TransformerLayer)]
        self.filled = filled
        self.start()

    def start(self) -> None:
        """Forgets all but the first `filled` positions, whose contents do not matter for the time."""
        shape = (1, self.filled, self.network.config.hidden)
        self.keys = [torch.randn(shape) for _ in self.layers]
        self.values = [torch.randn(shape) for _ in self.layers]

    @torch.inference_mode()
    def step(self, token: Tensor) -> Tensor:
        """Logits [1, vocabulary] after one more token [1, 1]."""
        x = self.network.embed_tokens(token, torch.tensor([self.keys[0].shape[1]]))
        for index, layer in enumerate(self.layers):
            attention = layer.self_attn
            q, k, v = attention.project(x).chunk(3, dim=-1)
            self.keys[index] = torch.cat([self.keys[index], k], dim=1)
            self.values[index] = torch.cat([self.values[index], v], dim=1)
            q, k, v = (
                part.view(1, -1, attention.heads, attention.head_size).transpose(1, 2)
                for part in (q, self.keys[index], self.values[index])
            )
            mixed = functional.scaled_dot_product_attention(q, k, v)
            x = layer.finish(x, mixed.transpose(1, 2).reshape(1, 1, -1))
        logits: Tensor = self.network.ar_predict_layer(x[:, -1])
        return logits


@torch.inference_mode()
def vocode(network: AcousticNetwork, latent: Tensor, timbre: Tensor) -> Tensor:
    """Samples [1, n] of a latent [1, C, F] and a timbre [1, D], with weight norm active."""
    return network.vocode(latent, timbre.unsqueeze(2))
