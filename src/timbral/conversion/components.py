"""The networks of one model: read, identified, and checked against each other before the long work starts."""

from dataclasses import dataclass, replace
from pathlib import Path

from timbral.conversion import compatibility
from timbral.conversion.checkpoints import (
    BertSizes,
    Checkpoint,
    Network,
    identify,
    merge_lora,
    read_checkpoint,
)
from timbral.conversion.checkpoints.identify import Kind, MelVersion
from timbral.conversion.chinese_assets import check_g2pw, read_bert_vocabulary
from timbral.conversion.sources import Sources, vocabulary_file, weights_file
from timbral.errors import CheckpointError

_OPTIONS: dict[Kind, tuple[str, str]] = {
    "semantic": ("stage one", "--gpt"),
    "acoustic": ("stage two", "--sovits"),
    "flow-matching": ("stage two", "--sovits"),
    "lora": ("a LoRA", "--lora"),
    "vocoder": ("a vocoder", "--vocoder"),
    "hubert": ("a HuBERT", "--hubert"),
    "bert": ("a BERT", "--bert"),
    "speaker": ("a speaker network", "--speaker"),
}
"""What each kind of network is called, and the option that names its file."""


@dataclass(frozen=True)
class Components:
    """The networks of one model, which go together.

    Without their tensors, which together would take several GB: `read_network` reads those of one.
    vocabulary: tokens of `bert` in the order of their ids. g2pw: folder of that model.
    """

    semantic: Network
    acoustic: Network
    hubert: Network
    lora: Network | None = None
    bert: Network | None = None
    speaker: Network | None = None
    vocoder: Network | None = None
    vocabulary: tuple[str, ...] = ()
    g2pw: Path | None = None

    @property
    def version(self) -> str:
        """Of stage two: v1, v2, v2Pro, v2ProPlus, v3 or v4."""
        assert self.acoustic.version is not None
        return self.acoustic.version


def read_components(sources: Sources) -> Components:
    """Reads every file once.

    Raises CheckpointError, BundleError: a file that is unusable or does not fit the others.
    """
    semantic = _without_tensors(_network(sources.gpt, "semantic"))
    vocoder = _optional(sources.vocoder, "vocoder")
    acoustic, lora = _stage_two(sources, vocoder)
    speaker = _optional(sources.speaker, "speaker")
    compatibility.check_stages(semantic, acoustic)
    compatibility.check_speaker(acoustic, speaker)
    compatibility.check_vocoder(acoustic, vocoder)
    hubert = _without_tensors(_network(weights_file(sources.hubert), "hubert"))
    compatibility.check_hubert(acoustic, hubert)
    bert = None if sources.bert is None else _without_tensors(_network(weights_file(sources.bert), "bert"))
    vocabulary: tuple[str, ...] = ()
    if bert is not None and sources.bert is not None:
        compatibility.check_bert(semantic, bert)
        assert isinstance(bert.sizes, BertSizes)
        vocabulary = read_bert_vocabulary(vocabulary_file(sources.bert), bert.sizes.vocabulary)
    if sources.g2pw is not None:
        if sources.bert is None:
            raise CheckpointError("--g2pw needs the vocabulary of the BERT model; give --bert as well")
        compatibility.check_reading(semantic)
        check_g2pw(sources.g2pw, vocabulary_file(sources.bert))
    return Components(semantic, acoustic, hubert, lora, bert, speaker, vocoder, vocabulary, sources.g2pw)


def read_network(network: Network) -> Network:
    """The network with its tensors."""
    version: MelVersion | None = (
        "v3" if network.version == "v3" else "v4" if network.version == "v4" else None
    )
    return identify(read_checkpoint(network.path), version=version)


def read_stage_two(components: Components) -> Network:
    """Stage two with its tensors, the LoRA put in."""
    base = read_network(components.acoustic)
    return base if components.lora is None else merge_lora(base, read_network(components.lora))


def _stage_two(sources: Sources, vocoder: Network | None) -> tuple[Network, Network | None]:
    """Stage two and its LoRA.

    Files that do not say whether they are of v3 or v4 are of the version of the LoRA, or else of the vocoder.
    """
    if sources.lora is None:
        version = None if vocoder is None else vocoder.version
        return _without_tensors(_network(sources.sovits, "acoustic", "flow-matching", version=version)), None
    lora = _network(sources.lora, "lora")
    base = _network(sources.sovits, "acoustic", "flow-matching", version=lora.version)
    if base.kind != "flow-matching":
        raise CheckpointError(
            f"{base.path} is a stage two of {base.version}, which has no LoRA; leave --lora out, or give the "
            f"published stage two of {lora.version} as --sovits"
        )
    merge_lora(base, lora)
    return _without_tensors(base), _without_tensors(lora)


def _optional(path: Path | None, kind: Kind) -> Network | None:
    return None if path is None else _without_tensors(_network(path, kind))


def _network(path: Path, *kinds: Kind, version: str | None = None) -> Network:
    """The network in a file, which must be of one of these kinds.

    version: v3 or v4, for a file that does not say it.
    """
    network = _identified(read_checkpoint(path), version)
    if network.kind in kinds:
        return network
    (what, option), (wanted, place) = _OPTIONS[network.kind], _OPTIONS[kinds[0]]
    raise CheckpointError(f"{path} is {what}, which is given as {option}; give {wanted} as {place}")


def _identified(checkpoint: Checkpoint, version: str | None) -> Network:
    try:
        return identify(checkpoint)
    except CheckpointError as problem:
        # If saying a version helps, nothing else was wrong; if not, the same is raised again.
        network = identify(checkpoint, version="v4" if version == "v4" else "v3")
        if version in ("v3", "v4"):
            return network
        if network.kind == "flow-matching":
            raise CheckpointError(
                f"{checkpoint.path} is a stage two of v3 or v4 and does not say of which; its vocoder, a file of its own, "
                "tells: give it as --vocoder"
            ) from None
        raise problem


def _without_tensors(network: Network) -> Network:
    return replace(network, tensors={})
