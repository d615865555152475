"""Checks that networks go together: each raises CheckpointError with the files that do not, and what to do."""

from math import prod

from timbral.conversion.checkpoints import (
    AcousticSizes,
    BertSizes,
    FlowMatchingSizes,
    HubertSizes,
    Network,
    SemanticSizes,
    SpeakerSizes,
    VocoderSizes,
)
from timbral.conversion.families import HOP, MEL_FAMILIES, symbols_of
from timbral.errors import CheckpointError
from timbral.nets.bert import UNREAD_LAYERS
from timbral.nets.hubert import HubertConfig
from timbral.nets.mel_vocoders import MEL_BANDS
from timbral.nets.semantic import BERT_CHANNELS

_SPEAKER_FILE = "pretrained_eres2netv2w24s4ep4.ckpt"
_VOCODER_FILES = {"v3": "bigvgan_generator.pt of bigvgan_v2_24khz_100band_256x", "v4": "vocoder.pth of v4"}


def check_stages(semantic: Network, acoustic: Network) -> None:
    """Both stages know the same phones and tokens."""
    assert isinstance(semantic.sizes, SemanticSizes)
    assert isinstance(acoustic.sizes, AcousticSizes | FlowMatchingSizes)
    symbols = symbols_of(acoustic.version)
    if semantic.version != symbols:
        raise CheckpointError(
            f"{semantic.path} is a stage one with the phones of {semantic.version}, and {acoustic.path} a stage two of "
            f"{acoustic.version} with those of {symbols}; give both stages of one version"
        )
    if semantic.sizes.vocabulary - 1 != acoustic.sizes.codes:
        raise CheckpointError(
            f"{semantic.path} has {semantic.sizes.vocabulary - 1} semantic tokens, and {acoustic.path} "
            f"{acoustic.sizes.codes}; give stages that were trained together"
        )
    if isinstance(acoustic.sizes, AcousticSizes) and prod(acoustic.sizes.upsample_rates) != HOP:
        raise CheckpointError(
            f"{acoustic.path} makes {prod(acoustic.sizes.upsample_rates)} samples a frame instead of {HOP}, as no "
            "official version does; give a stage two of an official size"
        )


def check_speaker(acoustic: Network, speaker: Network | None) -> None:
    """There is a speaker network exactly for v2Pro and v2ProPlus, and it is the one they were trained with."""
    wanted = acoustic.sizes.speaker if isinstance(acoustic.sizes, AcousticSizes) else 0
    if speaker is None:
        if wanted:
            raise CheckpointError(
                f"{acoustic.path} is a stage two of {acoustic.version}, which needs a speaker network; "
                f"give {_SPEAKER_FILE} as --speaker"
            )
        return
    assert isinstance(speaker.sizes, SpeakerSizes)
    if not wanted:
        raise CheckpointError(
            f"{acoustic.path}: {acoustic.version} has no speaker network; leave --speaker out"
        )
    given = speaker.sizes.pooled // 2
    if given != wanted:
        raise CheckpointError(
            f"{speaker.path} gives a speaker embedding of {given} numbers, and {acoustic.path} takes {wanted}; "
            f"give {_SPEAKER_FILE}"
        )


def check_vocoder(acoustic: Network, vocoder: Network | None) -> None:
    """There is a vocoder exactly for v3 and v4, and it is theirs."""
    if isinstance(acoustic.sizes, AcousticSizes):
        if vocoder is not None:
            raise CheckpointError(
                f"{acoustic.path}: {acoustic.version} has its vocoder inside; leave --vocoder out"
            )
        return
    assert isinstance(acoustic.sizes, FlowMatchingSizes)
    assert acoustic.version is not None
    file = _VOCODER_FILES[acoustic.version]
    if vocoder is None:
        raise CheckpointError(
            f"{acoustic.path} is a stage two of {acoustic.version}, whose vocoder is a file of its own; give {file} "
            "as --vocoder"
        )
    assert isinstance(vocoder.sizes, VocoderSizes)
    if vocoder.version != acoustic.version:
        raise CheckpointError(
            f"{vocoder.path} is the vocoder of {vocoder.version}, and {acoustic.path} a stage two of "
            f"{acoustic.version}; give {file}"
        )
    family, sizes = MEL_FAMILIES[acoustic.version], vocoder.sizes
    bands = (acoustic.sizes.mels, sizes.mels)
    hop = prod(sizes.generator.upsample_rates)
    odd_bias = acoustic.version == "v3" and sizes.output_bias
    if bands != (MEL_BANDS, MEL_BANDS) or hop != family.vocoder_hop or odd_bias:
        raise CheckpointError(f"{vocoder.path} is not the vocoder of {acoustic.path}; give {file}")


def check_hubert(acoustic: Network, hubert: Network) -> None:
    """Tokens are read off the features that stage two was trained with."""
    assert isinstance(acoustic.sizes, AcousticSizes | FlowMatchingSizes)
    assert isinstance(hubert.sizes, HubertSizes)
    matches = hubert.sizes.hidden == acoustic.sizes.features
    if not matches or hubert.sizes.kernels != HubertConfig().conv_kernels:
        raise CheckpointError(
            f"{hubert.path} is a HuBERT of width {hubert.sizes.hidden}, and {acoustic.path} was trained with a base "
            f"model of width {acoustic.sizes.features}; give chinese-hubert-base"
        )


def check_bert(semantic: Network, bert: Network) -> None:
    """Stage one takes features of this width, from a layer that the network has."""
    assert isinstance(semantic.sizes, SemanticSizes)
    assert isinstance(bert.sizes, BertSizes)
    if not semantic.sizes.bert:
        raise CheckpointError(f"{semantic.path} was trained without BERT features; leave --bert out")
    if bert.sizes.hidden != BERT_CHANNELS or bert.sizes.layers <= UNREAD_LAYERS:
        raise CheckpointError(
            f"{bert.path} is a BERT of {bert.sizes.layers} layers of width {bert.sizes.hidden}, and {semantic.path} "
            f"was trained with one of width {BERT_CHANNELS}; give chinese-roberta-wwm-ext-large"
        )


def check_reading(semantic: Network) -> None:
    """v1 reads Chinese by dictionary alone."""
    if semantic.version == "v1":
        raise CheckpointError(
            f"{semantic.path} is of v1, which was trained on readings without G2PW; leave --g2pw out"
        )
