"""File names of a bundle: one table for those who write bundles and those who open them.

| file                           | content                                                                          |
|--------------------------------|----------------------------------------------------------------------------------|
| CONTENT, TIMBRE                | a reference recording to semantic tokens, and to a timbre vector                 |
| SPEAKER                        | a reference recording to a speaker embedding (v2Pro, v2ProPlus)                  |
| MEL                            | a reference recording to a mel spectrogram (v3, v4)                              |
| ENVELOPE                       | the spectral envelopes that stage two predicts for a recording (source-filter)   |
| SEMANTIC_PREFILL, SEMANTIC_STEP| stage one; beside them variants for other types of KV cache, see `variant`       |
| ALIGNER, DURATIONS             | the HMM aligner and the duration model (source-filter)                           |
| LATENT, VOCODER                | stage two (vits, source-filter)                                                  |
| FEATURES, CONDITION, FLOW      | stage two ahead of VOCODER (flow-matching)                                       |
| BERT, BERT_VOCABULARY, G2PW    | networks of the text front end                                                   |
| LEXICON                        | the user's words with their readings; not listed in the manifest                 |
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

MANIFEST = "bundle.json"

CONTENT = "content.onnx"
TIMBRE = "timbre.onnx"
SPEAKER = "speaker.onnx"
MEL = "mel.onnx"
ENVELOPE = "envelope.onnx"
SEMANTIC_PREFILL = "semantic_prefill.onnx"
SEMANTIC_STEP = "semantic_step.onnx"
ALIGNER = "aligner.safetensors"
DURATIONS = "durations.onnx"
LATENT = "latent.onnx"
VOCODER = "vocoder.onnx"
FEATURES = "features.onnx"
CONDITION = "condition.onnx"
FLOW = "flow.onnx"
BERT = "bert.onnx"
BERT_VOCABULARY = "bert_vocab.txt"
G2PW = "g2pw.onnx"
LEXICON = "lexicon.tsv"

Cache = Literal["int8_cache", "fp16"]
"""A variant of stage one's graphs: keys and values in int8, or all of it computed in float16 (for CUDA)."""


def variant(name: str, cache: Cache) -> str:
    """The file name of a variant of one of stage one's graphs."""
    stem, _, suffix = name.partition(".")
    return f"{stem}_{cache}.{suffix}"


FORMER_NAMES: Mapping[str, str] = MappingProxyType(
    {
        ENVELOPE: "recalled.onnx",
        ALIGNER: "listener.safetensors",
        variant(SEMANTIC_PREFILL, "int8_cache"): "semantic_prefill_narrow.onnx",
        variant(SEMANTIC_STEP, "int8_cache"): "semantic_step_narrow.onnx",
        variant(SEMANTIC_PREFILL, "fp16"): "semantic_prefill_half.onnx",
        variant(SEMANTIC_STEP, "fp16"): "semantic_step_half.onnx",
    }
)
"""Names that files had in bundles of Timbral 0.1; bundles with these are still read."""
