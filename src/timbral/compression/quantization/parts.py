"""The parts of a model that are measured apart, and their losses on calibration speech.

| part       | what is compared                                                              | unit of loss             |
|------------|-------------------------------------------------------------------------------|--------------------------|
| `semantic` | distributions of the next token under teacher forcing: KL divergence in nats   | 0.05 nats                |
| `acoustic` | sound of the same tokens and noise: mean square of the log-mel difference      | (1 dB)^2                 |
|            | and of the difference of F0, which the compared sounds share                   | (1/40 octave)^2          |
| others     | outputs, or the scores behind chosen tokens: square of the relative error      | 0.1^2 (encoders), 0.2^2  |

Losses of small errors add up over layers, since all of them are squares.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.compression.quantization.fed_graph import FedGraph, Values, float_outputs, last_of_kind
from timbral.compression.quantization.float_graphs import FloatGraph, FloatModel, Floats
from timbral.compression.quantization.spectra import mean_square_difference
from timbral.compression.quantization.speech import CalibrationSpeech, Utterance
from timbral.inference.acoustic.flow_matching import FlowDecoder
from timbral.inference.acoustic.interface import AcousticDecoder, Network, TimedTokens
from timbral.inference.acoustic.latent_network import LatentGraph
from timbral.inference.acoustic.source_filter import SourceFilterDecoder
from timbral.inference.acoustic.vits import VitsDecoder
from timbral.inference.reference_encoder import Recording
from timbral.inference.sessions import SessionOptions, open_session
from timbral.models import Bundle, files
from timbral.text.word_pieces import WordPieces

NATS, DECIBELS, OCTAVES, ENCODED, FEATURES = 0.05, 1.0, 1 / 40, 0.1, 0.2
"""Units of loss, as in the table: about what a listener hardly notices."""
_FLOW_TOKENS, _FLOW_STEPS = 25, 4
"""Tokens that flow matching speaks here, and steps of its solver: a step for a second of sound takes seconds."""
_VITS_TOKENS, _SOURCE_FILTER_TOKENS = 30, 60
"""Tokens that others speak here: 1.2 s of VITS, whose vocoder is the slowest graph of all, and 2.4 s."""

_EACH = 3
"""Of so many utterances one is used: other sentences, voices and languages in turn."""
_HEARD = 2.5
"""Seconds of each recording that encoders hear."""

Outputs = list[NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Part:
    """A part: its graphs by file name, what it makes of calibration speech, and the loss of one against another."""

    name: str
    graphs: Mapping[str, FedGraph]
    run: Callable[[], Outputs]
    loss: Callable[[Outputs, Outputs], float]

    @property
    def keys(self) -> set[str]:
        """Weights that it depends on."""
        return {key for graph in self.graphs.values() for key in graph.keys.values()}


def parts_of(bundle: Bundle, model: FloatModel, values: Values, speech: CalibrationSpeech) -> list[Part]:
    """All parts of a model whose graphs have weights."""
    maker = _Maker(bundle, model, values, speech)
    makers: list[tuple[str, Callable[[], Part | None]]] = [
        (files.SEMANTIC_PREFILL, maker.semantic),
        (files.LATENT, maker.acoustic),
        (files.FLOW, maker.acoustic),
        (files.CONTENT, maker.content),
        (files.SPEAKER, maker.speaker),
        (files.TIMBRE, maker.timbre),
        (files.DURATIONS, maker.durations),
        (files.BERT, maker.bert),
    ]
    made = (make() for name, make in makers if name in model.graphs)
    return [part for part in made if part is not None and part.keys]


class _Maker:
    def __init__(self, bundle: Bundle, model: FloatModel, values: Values, speech: CalibrationSpeech) -> None:
        self._bundle, self._model, self._values, self._speech = bundle, model, values, speech
        self._utterances = speech.utterances[::_EACH]

    def _fed(self, name: str, *outputs: str) -> FedGraph:
        return FedGraph(self._model.graphs[name], self._model.weights, self._values, outputs)

    def semantic(self) -> Part | None:
        graph = self._model.graphs[files.SEMANTIC_PREFILL]
        predict = _predicting(graph)
        hidden = last_of_kind(graph, "LayerNormalization")
        if predict is None or hidden is None or not self._speech.utterances:
            return None
        fed = self._fed(files.SEMANTIC_PREFILL, hidden)
        takes_bert = any(item.name == "bert" for item in graph.model.graph.input)

        def run() -> Outputs:
            return [
                _log_probabilities(fed, each, takes_bert, self._values[predict]) for each in self._utterances
            ]

        return Part("semantic", {graph.name: fed}, run, _divergence)

    def acoustic(self) -> Part | None:
        shape, rate = self._bundle.manifest.acoustic, self._bundle.manifest.sample_rate
        names = {
            "source-filter": ((files.LATENT, ("latent", "f0")), (files.VOCODER, ("audio",))),
            "vits": ((files.LATENT, ("latent",)), (files.VOCODER, ("audio",))),
            "flow-matching": (
                (files.FEATURES, ("features",)),
                (files.CONDITION, ("condition", "rotation")),
                (files.FLOW, ("velocity",)),
                (files.VOCODER, ("audio",)),
            ),
        }[shape.kind]
        fed = {name: self._fed(name, *outputs) for name, outputs in names if name in self._model.graphs}
        graphs = [fed.get(name) or _opened(self._bundle, name, outputs) for name, outputs in names]
        decoder: AcousticDecoder
        pitch = _Pitch(graphs[0])
        if shape.kind == "source-filter":
            unknown = self._bundle.manifest.semantic.phonemes if shape.phones else None
            decoder = SourceFilterDecoder(LatentGraph(pitch, unknown), graphs[1], shape, rate)
        elif shape.kind == "vits":
            decoder = VitsDecoder(graphs[0], graphs[1], _overlap(self._model), shape, rate)
        else:
            decoder = FlowDecoder(graphs[0], graphs[1], graphs[2], graphs[3], shape, rate)
        spoken = [_shortened(each, shape.kind) for each in self._utterances]

        def run() -> Outputs:
            sounds = [np.concatenate([*decoder.synthesize(each.request, each.timed)]) for each in spoken]
            return [*sounds, pitch.taken()]

        def loss(expected: Outputs, found: Outputs) -> float:
            pairs = zip(expected[:-1], found[:-1], strict=True)
            sound = float(np.mean([mean_square_difference(*pair, rate) for pair in pairs]))
            melody = float(np.square(expected[-1] - found[-1]).mean()) if len(found[-1]) else 0.0
            return sound / DECIBELS**2 + melody / OCTAVES**2

        return Part("acoustic", fed, run, loss) if spoken else None

    def content(self) -> Part:
        silence = np.zeros(self._bundle.manifest.reference.silence, np.float32)
        rate = self._bundle.manifest.reference.rate
        inputs = [
            {"audio": np.concatenate([_beginning(each, rate), silence])[None]}
            for each in self._speech.recordings
        ]
        return self._relative(files.CONTENT, inputs, ENCODED)

    def speaker(self) -> Part:
        return self._relative(files.SPEAKER, [*map(self._at_rate, self._speech.recordings)], ENCODED)

    def timbre(self) -> Part:
        reference = self._bundle.manifest.reference
        rate = reference.timbre_rate or reference.rate
        inputs = [{"audio": _beginning(each, rate)[None]} for each in self._speech.recordings]
        if any(item.name == "speaker" for item in self._model.graphs[files.TIMBRE].model.graph.input):
            speaker = (
                self._fed(files.SPEAKER, "speaker")
                if files.SPEAKER in self._model.graphs
                else _opened(self._bundle, files.SPEAKER, ("speaker",))
            )
            for given, recording in zip(inputs, self._speech.recordings, strict=True):
                given["speaker"] = speaker(self._at_rate(recording))[0]
        return self._relative(files.TIMBRE, inputs, ENCODED)

    def durations(self) -> Part:
        inputs = [{"phones": each.request.phones[None]} for each in self._speech.utterances]
        return self._relative(files.DURATIONS, inputs, ENCODED)

    def bert(self) -> Part:
        pieces = WordPieces.read(self._bundle.path(files.BERT_VOCABULARY))
        inputs = []
        for text in self._speech.texts:
            ids = pieces(text).ids
            inputs.append({"tokens": ids[None], "lengths": np.array([len(ids)])})
        return self._relative(files.BERT, inputs, FEATURES)

    def _at_rate(self, recording: Recording) -> dict[str, NDArray[Any]]:
        return {"audio": _beginning(recording, self._bundle.manifest.reference.rate)[None]}

    def _relative(self, name: str, inputs: Sequence[Mapping[str, NDArray[Any]]], unit: float) -> Part:
        """A part of one graph, whose float outputs are compared, or what it chooses tokens from."""
        graph = self._model.graphs[name]
        fed = self._fed(name, *float_outputs(graph))

        def run() -> Outputs:
            return [output for each in inputs for output in fed(each) if output.dtype == np.float32]

        def loss(expected: Outputs, found: Outputs) -> float:
            return (
                float(np.mean([_relative_square(*pair) for pair in zip(expected, found, strict=True)]))
                / unit**2
            )

        return Part(name.partition(".")[0], {name: fed}, run, loss)


class _Pitch:
    """The latent graph of a source-filter model, whose first run sets the F0 of all later ones.

    A little other F0 puts harmonics out of step, and spectra differ although the sounds are alike.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._first: list[Floats] = []
        self._own: list[Floats] = []
        self._is_first = True

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        latent, f0 = self._network(inputs)
        self._own.append(f0)
        if self._is_first:
            self._first.append(f0)
        return [latent, self._first[len(self._own) - 1]]

    def taken(self) -> Floats:
        """Logarithms of the F0 since the last call, in octaves."""
        own = [np.log2(np.maximum(each, 1.0)).ravel() for each in self._own]
        self._own, self._is_first = [], False
        return np.concatenate(own) if own else np.zeros(0, np.float32)


def _beginning(recording: Recording, rate: int) -> Floats:
    return recording[rate][: int(_HEARD * rate)]


def _predicting(graph: FloatGraph) -> str | None:
    """Key of the weight that makes logits."""
    nodes = (node for node in graph.model.graph.node if "logits" in node.output)
    return next((graph.weights.get(str(node.input[1])) for node in nodes if len(node.input) > 1), None)


def _log_probabilities(fed: FedGraph, utterance: Utterance, takes_bert: bool, predict: Floats) -> Floats:
    """Of the next token after the phones and after each token, [T + 1, vocabulary]."""
    request = utterance.request
    phones = request.all_phones
    tokens = np.concatenate([request.voice.prompt_tokens, utterance.timed.tokens])
    inputs: dict[str, NDArray[Any]] = {
        "phones": phones[None],
        "phone_lengths": np.array([len(phones)]),
        "prompt": tokens[None],
        "prompt_lengths": np.array([len(tokens)]),
    }
    if takes_bert:
        features = request.all_features
        zeros = np.zeros((len(phones), _BERT_CHANNELS), np.float32)
        inputs["bert"] = np.ascontiguousarray((zeros if features is None else features).T)[None]
    hidden = fed(inputs)[0][0, len(phones) - 1 :]
    logits = hidden @ predict.T
    logits -= logits.max(1, keepdims=True)
    result: Floats = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    return result


_BERT_CHANNELS = 1024


def _divergence(expected: Outputs, found: Outputs) -> float:
    pairs = zip(expected, found, strict=True)
    rows = [(np.exp(a) * (a.astype(np.float64) - b)).sum(1) for a, b in pairs]
    return float(np.concatenate(rows).mean()) / NATS


def _relative_square(expected: NDArray[Any], found: NDArray[Any]) -> float:
    exact = expected.astype(np.float64)
    power = np.square(exact).sum()
    return float(np.square(found - exact).sum() / power) if power else 0.0


def _opened(bundle: Bundle, name: str, outputs: tuple[str, ...]) -> Any:
    """A graph without weights that are quantised, as the bundle has it."""
    session = open_session(bundle.path(name), SessionOptions(device="cpu", engine="onnxruntime"))
    return lambda inputs: session.run(list(outputs), dict(inputs))


def _overlap(model: FloatModel) -> int:
    """Channels of the frames that VITS continues."""
    inputs = model.graphs[files.LATENT].model.graph.input
    overlap = next(item for item in inputs if item.name == "overlap")
    return int(overlap.type.tensor_type.shape.dim[1].dim_value)


def _shortened(utterance: Utterance, kind: str) -> Utterance:
    """As much of an utterance as can be synthesised often."""
    request, timed = utterance.request, utterance.timed
    if kind == "vits":
        return Utterance(request, TimedTokens(timed.tokens[:_VITS_TOKENS]))
    if kind == "flow-matching":
        return Utterance(replace(request, steps=_FLOW_STEPS), TimedTokens(timed.tokens[:_FLOW_TOKENS]))
    phones = None if timed.phones is None else timed.phones[:_SOURCE_FILTER_TOKENS]
    return Utterance(request, TimedTokens(timed.tokens[:_SOURCE_FILTER_TOKENS], phones))
