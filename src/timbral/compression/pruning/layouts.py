"""The layouts of the networks: which axes of their weights are cut together."""

from timbral.compression.pruning.axes import Axis, Layout

HIDDEN = Axis("hidden")
"""Channels of the residual stream."""


def semantic_layout(head_size: int) -> Layout:
    """Stage one: heads and neurons of each layer, and the residual stream.

    Pairs of channels stay together, since positions are sines and cosines side by side.
    """
    pairs = Axis("hidden", width=2)
    heads, neurons = "heads {0}", "neurons {0}"
    layer = r"h\.layers\.(\d+)\."
    return {
        r"bert_proj\.weight": (pairs, None),
        r"bert_proj\.bias": (pairs,),
        r"ar_(?:text|audio)_embedding\.word_embeddings\.weight": (None, pairs),
        r"ar_(?:text|audio)_position\.alpha": (None,),
        layer + r"self_attn\.in_proj_weight": (Axis(heads, 3, head_size), pairs),
        layer + r"self_attn\.in_proj_bias": (Axis(heads, 3, head_size),),
        layer + r"self_attn\.out_proj\.weight": (pairs, Axis(heads, 1, head_size)),
        layer + r"linear1\.weight": (Axis(neurons), pairs),
        layer + r"linear1\.bias": (Axis(neurons),),
        layer + r"linear2\.weight": (pairs, Axis(neurons)),
        layer + r"(?:self_attn\.out_proj\.bias|linear2\.bias|norm\d\.weight|norm\d\.bias)": (pairs,),
        r"ar_predict_layer\.weight": (None, pairs),
    }


def _film_blocks(stem: str, condition: Axis | None) -> Layout:
    """A stack of `FilmConvNextBlock`."""
    block = rf"({stem}\.\d+)\."
    neurons = Axis("neurons {0}")
    return {
        block + r"mix\.weight": (HIDDEN, None, None),
        block + r"film\.weight": (Axis("hidden", 2), condition),
        block + r"film\.bias": (Axis("hidden", 2),),
        block + r"up\.weight": (neurons, HIDDEN),
        block + r"up\.bias": (neurons,),
        block + r"down\.weight": (HIDDEN, neurons),
        block + r"(?:mix\.bias|norm\.weight|norm\.bias|down\.bias)": (HIDDEN,),
    }


_TIMBRE: Layout = {
    r"timbre\.layers\.0\.weight": (Axis("timbre inner"), None),
    r"timbre\.layers\.0\.bias": (Axis("timbre inner"),),
    r"timbre\.layers\.2\.weight": (Axis("condition"), Axis("timbre inner")),
    r"timbre\.layers\.2\.bias": (Axis("condition"),),
}

LATENT: Layout = {
    **_TIMBRE,
    **_film_blocks("token_blocks", Axis("condition")),
    **_film_blocks("frame_blocks", Axis("condition")),
    r"tokens\.weight": (None, HIDDEN),
    r"phones\.table\.weight": (None, None),
    r"phones\.mix\.weight": (HIDDEN, None),
    r"phones\.mix\.bias": (HIDDEN,),
    r"spread\.weight": (Axis("hidden", 4), HIDDEN),
    r"spread\.bias": (Axis("hidden", 4),),
    r"to_latent\.weight": (Axis("latent"), HIDDEN, None),
    r"to_latent\.bias": (Axis("latent"),),
    r"to_pitch\.0\.weight": (None, HIDDEN, None),
    r"to_pitch\..*": (None, None, None),
}
"""`LatentNet` with four frames a token."""

VOCODER: Layout = {
    **_TIMBRE,
    **_film_blocks("blocks", Axis("condition")),
    r"from_latent\.weight": (HIDDEN, Axis("latent"), None),
    r"from_latent\.bias": (HIDDEN,),
    r"norm\.(?:weight|bias)": (HIDDEN,),
    r"to_(?:envelope|aperiodicity)\.weight": (None, HIDDEN),
    r"to_(?:envelope|aperiodicity)\.bias": (None,),
}
"""`SourceFilterVocoder`; the last channel of `latent` is F0."""

CONTENT: Layout = {
    **_film_blocks("blocks", HIDDEN),
    r"enter\.weight": (HIDDEN, None, None),
    r"enter\.bias": (HIDDEN,),
    r"whole\.0\.weight": (Axis("whole inner"), None),
    r"whole\.0\.bias": (Axis("whole inner"),),
    r"whole\.2\.weight": (HIDDEN, Axis("whole inner")),
    r"whole\.2\.bias": (HIDDEN,),
    r"norm\.(?:weight|bias)": (HIDDEN,),
    r"to_tokens\.weight": (None, HIDDEN),
    r"to_pitch\.weight": (None, HIDDEN),
    r"to_(?:tokens|pitch)\.bias": (None,),
    r"usual\.enter\.weight": (None, HIDDEN, None),
    r"usual\..*": (None, None, None),
}
"""`ContentEncoder`."""

DURATIONS: Layout = {
    **_film_blocks("blocks", None),
    r"table\.weight": (None, HIDDEN),
    r"last\.weight": (None, HIDDEN),
    r"last\.bias": (None,),
}
"""`DurationPredictor`."""


def vits_layout(stages: int, blocks: int) -> Layout:
    """Stage two of v1 to v2ProPlus, weight norm folded: neurons of the prior, channels of flow and vocoder.

    stages: of the vocoder; blocks: residual ones of each stage.
    """
    neurons, stream, units = Axis("neurons {0}"), Axis("stream {0}"), "units {0}"
    feed_forward, coupling = r"enc_p\.(\w+\.ffn_layers\.\d+)\.", r"flow\.flows\.(\d+)\."
    layers = 4
    layout: dict[str, tuple[Axis | None, ...]] = {
        feed_forward + r"conv_1\.weight": (neurons, None, None),
        feed_forward + r"conv_1\.bias": (neurons,),
        feed_forward + r"conv_2\.weight": (None, neurons, None),
        coupling + r"pre\.weight": (stream, None, None),
        coupling + r"pre\.bias": (stream,),
        # Conditions of all layers lie behind each other; a unit of one layer is kept in all of them.
        coupling + r"enc\.cond_layer\.weight": (Axis(units, 2 * layers), None, None),
        coupling + r"enc\.cond_layer\.bias": (Axis(units, 2 * layers),),
        coupling + r"enc\.in_layers\.\d+\.weight": (Axis(units, 2), stream, None),
        coupling + r"enc\.in_layers\.\d+\.bias": (Axis(units, 2),),
        coupling + rf"enc\.res_skip_layers\.{layers - 1}\.weight": (stream, Axis(units), None),
        coupling + rf"enc\.res_skip_layers\.{layers - 1}\.bias": (stream,),
        coupling + r"enc\.res_skip_layers\.\d+\.weight": (Axis("stream {0}", 2), Axis(units), None),
        coupling + r"enc\.res_skip_layers\.\d+\.bias": (Axis("stream {0}", 2),),
        coupling + r"post\.weight": (None, stream, None),
        r"dec\.(?:conv_pre|cond)\.weight": (Axis("stage 0"), None, None),
        r"dec\.(?:conv_pre|cond)\.bias": (Axis("stage 0"),),
        r"dec\.conv_post\.weight": (None, Axis(f"stage {stages}"), None),
    }
    for stage in range(stages):
        before, after = Axis(f"stage {stage}"), Axis(f"stage {stage + 1}")
        layout[rf"dec\.ups\.{stage}\.weight"] = (before, after, None)
        layout[rf"dec\.ups\.{stage}\.bias"] = (after,)
        for block in range(stage * blocks, (stage + 1) * blocks):
            inner = Axis(f"inner {stage + 1}.{block}." + "{0}")
            pair = rf"dec\.resblocks\.{block}\."
            layout[pair + r"convs1\.(\d+)\.weight"] = (inner, after, None)
            layout[pair + r"convs1\.(\d+)\.bias"] = (inner,)
            layout[pair + r"convs2\.(\d+)\.weight"] = (after, inner, None)
            layout[pair + r"convs2\.\d+\.bias"] = (after,)
    return {**layout, r".*": ()}
