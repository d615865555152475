"""Modules of stage two that all families share: phones and tokens to frames (`enc_p`), timbre, codebook."""

from dataclasses import dataclass

from timbral.conversion.checkpoints.defects import DAMAGED, DefectError
from timbral.conversion.checkpoints.shapes import ShapeReader, Shapes, layer

SIGNATURE = "enc_p.text_embedding.weight"

_SYMBOLS = {322: ("v1", 1025), 732: ("v2", 704)}
"""Symbol table, and bins of the spectrogram that the timbre is read off, by the number of phones."""
_TIMBRE_HIDDEN = 128
_MRTE_HEADS = 4
_POSITIONS = 9


@dataclass(frozen=True)
class PriorSizes:
    """Sizes of these modules, named as in `timbral.nets.acoustic.AcousticConfig`."""

    phonemes: int
    codes: int
    features: int
    timbre_bins: int
    latent: int
    hidden: int
    feed_forward: int
    heads: int
    layers: int
    kernel: int
    mrte_hidden: int
    mrte_heads: int
    timbre: int


def infer_sizes(reader: ShapeReader) -> PriorSizes:
    """Sizes by the tensors; `mrte_heads`, which they do not determine, is 4 in all families.

    Raises DefectError.
    """
    hidden = reader.check(reader.length(SIGNATURE, 1), "model", "hidden_channels")
    return PriorSizes(
        phonemes=reader.length(SIGNATURE, 0),
        codes=reader.length("quantizer.vq.layers.0._codebook.embed", 0),
        features=reader.length("ssl_proj.weight", 0),
        timbre_bins=reader.length("ref_enc.spectral.0.fc.weight", 1),
        latent=reader.length("enc_p.proj.weight", 0) // 2,
        hidden=hidden,
        feed_forward=reader.length("enc_p.encoder_text.ffn_layers.0.conv_1.weight", 0),
        heads=hidden // reader.length("enc_p.encoder_text.attn_layers.0.emb_rel_k", 2),
        layers=reader.check(reader.count("enc_p.encoder_text.attn_layers.{}.emb_rel_k"), "model", "n_layers"),
        kernel=reader.length("enc_p.encoder_text.ffn_layers.0.conv_1.weight", 2),
        mrte_hidden=reader.length("enc_p.mrte.c_pre.weight", 0),
        mrte_heads=_MRTE_HEADS,
        timbre=reader.length("ref_enc.fc.fc.weight", 0),
    )


def symbols_of(sizes: PriorSizes) -> str:
    """The symbol table, v1 or v2.

    Raises DefectError: a number of phones, or of spectral bins, that neither has.
    """
    if sizes.phonemes not in _SYMBOLS:
        raise DefectError(f"its {sizes.phonemes} phones are neither those of v1 (322) nor of v2 (732)")
    symbols, bins = _SYMBOLS[sizes.phonemes]
    if sizes.timbre_bins != bins:
        raise DefectError(
            f"it has the {sizes.phonemes} phones of {symbols}, but a timbre encoder for {sizes.timbre_bins} bins instead "
            f"of {bins}; {DAMAGED}"
        )
    return symbols


def shapes(sizes: PriorSizes) -> Shapes:
    """Every tensor of these modules."""
    codebook = "quantizer.vq.layers.0._codebook"
    return {
        **layer("ssl_proj", sizes.features, sizes.features, 2),
        f"{codebook}.inited": (1,),
        f"{codebook}.cluster_size": (sizes.codes,),
        f"{codebook}.embed": (sizes.codes, sizes.features),
        f"{codebook}.embed_avg": (sizes.codes, sizes.features),
        **_timbre(sizes),
        **_text_encoder(sizes),
    }


def _timbre(sizes: PriorSizes) -> Shapes:
    made = layer("ref_enc.spectral.0.fc", _TIMBRE_HIDDEN, sizes.timbre_bins)
    for name in ("spectral.3.fc", "slf_attn.w_qs", "slf_attn.w_ks", "slf_attn.w_vs", "slf_attn.fc"):
        made |= layer(f"ref_enc.{name}", _TIMBRE_HIDDEN, _TIMBRE_HIDDEN)
    for index in range(2):
        made |= layer(f"ref_enc.temporal.{index}.conv1.conv", 2 * _TIMBRE_HIDDEN, _TIMBRE_HIDDEN, 5)
    return {**made, **layer("ref_enc.fc.fc", sizes.timbre, _TIMBRE_HIDDEN)}


def _text_encoder(sizes: PriorSizes) -> Shapes:
    hidden, wide = sizes.hidden, sizes.mrte_hidden
    made: Shapes = {
        SIGNATURE: (sizes.phonemes, hidden),
        **layer("enc_p.ssl_proj", hidden, sizes.features, 1),
        **_encoder("enc_p.encoder_ssl", sizes, sizes.layers // 2),
        **_encoder("enc_p.encoder_text", sizes, sizes.layers),
        **_encoder("enc_p.encoder2", sizes, sizes.layers // 2),
        **layer("enc_p.mrte.c_pre", wide, hidden, 1),
        **layer("enc_p.mrte.text_pre", wide, hidden, 1),
        **layer("enc_p.mrte.c_post", hidden, wide, 1),
        **layer("enc_p.proj", 2 * sizes.latent, hidden, 1),
    }
    for part in "qkvo":
        made |= layer(f"enc_p.mrte.cross_attention.conv_{part}", wide, wide, 1)
    return made


def _encoder(name: str, sizes: PriorSizes, depth: int) -> Shapes:
    hidden, inner = sizes.hidden, sizes.feed_forward
    made: Shapes = {}
    for index in range(depth):
        for part in "qkvo":
            made |= layer(f"{name}.attn_layers.{index}.conv_{part}", hidden, hidden, 1)
        for part in "kv":
            made[f"{name}.attn_layers.{index}.emb_rel_{part}"] = (1, _POSITIONS, hidden // sizes.heads)
        for part in ("1", "2"):
            made |= {f"{name}.norm_layers_{part}.{index}.{x}": (hidden,) for x in ("gamma", "beta")}
        made |= layer(f"{name}.ffn_layers.{index}.conv_1", inner, hidden, sizes.kernel)
        made |= layer(f"{name}.ffn_layers.{index}.conv_2", hidden, inner, sizes.kernel)
    return made


def wavenet(name: str, hidden: int, layers: int, timbre: int) -> Shapes:
    """A WaveNet conditioned on the timbre, without its weight norm."""
    made = layer(f"{name}.cond_layer", 2 * hidden * layers, timbre, 1)
    for index in range(layers):
        made |= layer(f"{name}.in_layers.{index}", 2 * hidden, hidden, 5)
        last = index == layers - 1
        made |= layer(f"{name}.res_skip_layers.{index}", hidden if last else 2 * hidden, hidden, 1)
    return made
