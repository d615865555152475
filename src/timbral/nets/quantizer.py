"""The vector quantizer between the stages: content features to semantic tokens and back.

A residual quantiser, as in SoundStream (Zeghidour et al. 2021) and EnCodec (Défossez et al. 2022).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Codebook(nn.Module):
    """Code vectors, with the running sums by which they are learned."""

    inited: Tensor
    cluster_size: Tensor
    embed: Tensor
    embed_avg: Tensor

    def __init__(self, codes: int, features: int) -> None:
        super().__init__()
        self.register_buffer("inited", torch.zeros(1))
        self.register_buffer("cluster_size", torch.zeros(codes))
        self.register_buffer("embed", torch.zeros(codes, features))
        self.register_buffer("embed_avg", torch.zeros(codes, features))


class CodebookLayer(nn.Module):
    """One codebook, under the name that checkpoints give it."""

    def __init__(self, codes: int, features: int) -> None:
        super().__init__()
        self._codebook = Codebook(codes, features)

    @property
    def vectors(self) -> Tensor:
        """Code vectors [codes, features]."""
        return self._codebook.embed


class ResidualCodebooks(nn.Module):
    """The layers of the quantiser."""

    def __init__(self, codes: int, features: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(CodebookLayer(codes, features) for _ in range(layers))


class Quantizer(nn.Module):
    """Features to the nearest codes, each layer quantizing the residual of the last one."""

    def __init__(self, codes: int, features: int, layers: int = 1) -> None:
        super().__init__()
        self.vq = ResidualCodebooks(codes, features, layers)

    def encode(self, features: Tensor) -> Tensor:
        """Codes [batch, layers, time] of features [batch, features, time]."""
        left = features.transpose(1, 2)
        codes = []
        for vectors in self._vectors():
            # |x - v|² without |x|², which is the same for all v.
            code = (vectors.square().sum(1) - 2 * left @ vectors.T).argmin(-1)
            left = left - functional.embedding(code, vectors)
            codes.append(code)
        return torch.stack(codes, dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        """Features [batch, features, time] of codes [batch, layers, time], of the first layers or of all."""
        layers = zip(codes.unbind(1), self._vectors(), strict=False)
        parts = [functional.embedding(code, vectors) for code, vectors in layers]
        return torch.stack(parts).sum(0).transpose(1, 2)

    def _vectors(self) -> list[Tensor]:
        return [layer.vectors for layer in self.vq.layers if isinstance(layer, CodebookLayer)]
