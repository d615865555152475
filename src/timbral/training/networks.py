"""Restores torch networks from the graphs of a bundle, with weights in float32."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import torch
from torch import nn

from timbral.errors import BundleError
from timbral.models import Bundle, files
from timbral.models.weights import Parameter, read_parameters
from timbral.nets.acoustic import AcousticConfig, AcousticNetwork
from timbral.nets.content_encoder import ContentConfig, ReferenceEncoder
from timbral.nets.normalization import fold_weight_norm
from timbral.nets.semantic import SemanticConfig, SemanticTransformer
from timbral.nets.source_filter import LatentNet, SourceFilterConfig, SourceFilterVocoder

_USUAL = "content.usual.enter.weight"
NetworkT = TypeVar("NetworkT", bound=nn.Module)


def restore_semantic(bundle: Bundle) -> SemanticTransformer:
    """Stage one of a bundle. Raises BundleError: its graphs do not name their weights."""
    shape = bundle.manifest.semantic
    held = _parameters(bundle, files.SEMANTIC_PREFILL, files.SEMANTIC_STEP)
    network = SemanticTransformer(
        SemanticConfig(
            hidden=shape.hidden,
            layers=shape.layers,
            heads=shape.heads,
            head_size=_sizes(held, "h.layers.0.self_attn.in_proj_weight")[0] // (3 * shape.heads),
            feed_forward=_sizes(held, "h.layers.0.linear1.weight")[0],
            vocabulary=shape.vocabulary,
            bert=shape.bert,
        )
    )
    return _filled(network, held)


def restore_source_filter(bundle: Bundle) -> tuple[LatentNet, SourceFilterVocoder]:
    """Stage two of the embedded family. Raises BundleError as above."""
    latent, vocoder = _parameters(bundle, files.LATENT), _parameters(bundle, files.VOCODER)
    shape = bundle.manifest.acoustic
    assert shape.kind == "source-filter"
    vocabulary, hidden = _sizes(latent, "tokens.weight")
    config = SourceFilterConfig(
        vocabulary=vocabulary,
        phonemes=bundle.manifest.semantic.phonemes if shape.phones else 0,
        timbre=shape.timbre_size,
        hidden=hidden,
        latent=_sizes(latent, "to_latent.weight")[0],
        token_blocks=_count(latent, "token_blocks"),
        frame_blocks=_count(latent, "frame_blocks"),
        vocoder_blocks=_count(vocoder, "blocks"),
        kernel=_sizes(latent, "frame_blocks.0.mix.weight")[2],
        token_kernel=_sizes(latent, "token_blocks.0.mix.weight")[2],
        expansion=_sizes(latent, "frame_blocks.0.up.weight")[0] // hidden,
        condition=_sizes(latent, "timbre.layers.0.weight")[0],
        envelope=_sizes(vocoder, "to_envelope.weight")[0],
        aperiodicity=_sizes(vocoder, "to_aperiodicity.weight")[0],
        rate=bundle.manifest.sample_rate,
        hop=shape.hop,
        frames_per_token=shape.frames_per_token,
        passes=shape.passes,
    )
    return _filled(LatentNet(config), latent), _filled(SourceFilterVocoder(config), vocoder)


def restore_vits(bundle: Bundle) -> AcousticNetwork:
    """Stage two of v1 to v2ProPlus, weight norm folded; what hears recordings keeps its first weights.

    Raises BundleError: its graphs do not name their weights, or are not of an official layout.
    """
    held = _parameters(bundle, files.LATENT, files.VOCODER)
    manifest = bundle.manifest
    phonemes, hidden = _sizes(held, "enc_p.text_embedding.weight")
    codes, features = _sizes(held, "quantizer.vq.layers.0._codebook.embed")
    inner, _, kernel = _sizes(held, "enc_p.encoder_text.ffn_layers.0.conv_1.weight")
    flow_hidden = _sizes(held, "flow.flows.0.pre.weight")[0]
    stages = _count(held, "dec.ups")
    per_stage = _count(held, "dec.resblocks") // stages
    official = AcousticConfig()
    config = AcousticConfig(
        phonemes=phonemes,
        codes=codes,
        features=features,
        latent=_sizes(held, "enc_p.proj.weight")[0] // 2,
        hidden=hidden,
        feed_forward=inner,
        heads=hidden // _sizes(held, "enc_p.encoder_text.attn_layers.0.emb_rel_v")[2],
        layers=_count(held, "enc_p.encoder_text.attn_layers"),
        kernel=kernel,
        mrte_hidden=_sizes(held, "enc_p.mrte.c_pre.weight")[0],
        timbre=_sizes(held, "dec.cond.weight")[1],
        speaker=int("ge_to512.weight" in held),
        upsample_channels=_sizes(held, "dec.conv_pre.weight")[0],
        upsample_kernels=tuple(_sizes(held, f"dec.ups.{stage}.weight")[-1] for stage in range(stages)),
        block_kernels=tuple(
            _sizes(held, f"dec.resblocks.{number}.convs1.0.weight")[-1] for number in range(per_stage)
        ),
        block_dilations=tuple(
            official.block_dilations[0][: _count(held, f"dec.resblocks.{number}.convs1")]
            for number in range(per_stage)
        ),
        posterior=False,
        flow_hidden=0 if flow_hidden == hidden else flow_hidden,
    )
    if manifest.acoustic.kind != "vits" or stages != len(official.upsample_rates):
        raise BundleError(f"{manifest.name} has no vocoder of an official layout, so it cannot be read back")
    network = AcousticNetwork(config)
    fold_weight_norm(network)
    return _filled(network, held, unheard)


def unheard(name: str) -> bool:
    """Whether a weight of stage two is not in its graphs `latent` and `vocoder`, as it hears recordings or learns."""
    return name.startswith(("ssl_proj.", "ref_enc.", "sv_emb.", "prelu.")) or name.endswith(
        (".inited", ".cluster_size", ".embed_avg")
    )


def restore_reference(bundle: Bundle) -> ReferenceEncoder:
    """The reference encoder of the embedded family. Raises BundleError as above."""
    held = _parameters(bundle, files.CONTENT, files.TIMBRE)
    vocabulary, hidden = _sizes(held, "content.to_tokens.weight")
    up = _sizes(held, "content.blocks.0.up.weight")[0]
    config = ContentConfig(
        vocabulary=vocabulary,
        hidden=hidden,
        blocks=_count(held, "content.blocks"),
        kernel=_sizes(held, "content.blocks.0.mix.weight")[2],
        expansion=up // hidden,
        bands=_sizes(held, "content.enter.weight")[1],
        usual=len(held[_USUAL].read()) if _USUAL in held else 0,
    )
    return _filled(ReferenceEncoder(config), held)


def _parameters(bundle: Bundle, *graphs: str) -> dict[str, Parameter]:
    found: dict[str, Parameter] = {}
    for graph in graphs:
        found |= read_parameters(bundle.path(graph))
    return found


def _sizes(held: Mapping[str, Parameter], name: str) -> tuple[int, ...]:
    if name not in held:
        raise _unnamed(name)
    return held[name].read().shape


def _count(held: Iterable[str], stem: str) -> int:
    """Number of blocks in a stack."""
    numbers = [
        int(name.removeprefix(stem + ".").split(".")[0]) for name in held if name.startswith(stem + ".")
    ]
    return max(numbers, default=-1) + 1


def _filled(
    network: NetworkT, held: Mapping[str, Parameter], optional: Callable[[str], bool] = lambda name: False
) -> NetworkT:
    """Loads parameters into a network; optional: whether a weight may be missing."""
    values = {name: parameter.read() for name, parameter in held.items()}
    for name in [name for name in values if ".bias_l" in name]:
        stem, _, layer = name.rpartition("_l")
        # ONNX keeps both biases in one row, gates in the order input, output, forget, cell; torch has the
        # output last.
        both = values.pop(name).reshape(2, 4, -1)[:, [0, 2, 3, 1]].reshape(2, -1)
        values |= {f"{stem}_ih_l{layer}": both[0], f"{stem}_hh_l{layer}": both[1]}
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name not in values:
                if optional(name):
                    continue
                raise _unnamed(name)
            tensor.copy_(torch.from_numpy(values[name].reshape(tensor.shape).copy()))
    return network.eval()


def _unnamed(name: str) -> BundleError:
    return BundleError(
        f"the graphs of this model do not name {name}: import it again with this version of timbral; linear layers that "
        "are equal, as before any training, share one name and cannot be told apart"
    )
