"""A parent with the stage two of another model: the same tokens and noise, so that sounds can be compared sample by sample."""

from dataclasses import dataclass
from pathlib import Path

from timbral.models import Bundle, files

_STAGE_TWO = frozenset({files.LATENT, files.VOCODER, files.FEATURES, files.CONDITION, files.FLOW})


@dataclass(frozen=True)
class _Mixed(Bundle):
    """A bundle whose stage two comes from `other`."""

    other: Bundle

    def has(self, name: str) -> bool:
        return self.other.has(name) if name in _STAGE_TWO else super().has(name)

    def path(self, name: str) -> Path:
        return self.other.path(name) if name in _STAGE_TWO else super().path(name)


def share_tokens(parent: Bundle, other: Bundle) -> bool:
    """Whether a token and a timbre may mean the same to both models, as far as the manifests tell."""
    first, second = parent.manifest, other.manifest
    return (
        first.family == second.family
        and first.symbols == second.symbols
        and first.token_rate == second.token_rate
        and first.semantic.vocabulary == second.semantic.vocabulary
        and first.acoustic.kind == second.acoustic.kind
        and first.acoustic.timbre_size == second.acoustic.timbre_size
    )


def with_stage_two(parent: Bundle, other: Bundle) -> Bundle:
    """The parent with the stage two of another model that shares its tokens."""
    manifest = parent.manifest.model_copy(
        update={"acoustic": other.manifest.acoustic, "sample_rate": other.manifest.sample_rate}
    )
    return _Mixed(parent.folder, manifest, other)
