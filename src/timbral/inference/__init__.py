"""The engine room: runs a bundle's graphs with numpy and onnxruntime, and never imports torch.

The engine is shared and immutable; everything that belongs to one request lives in that request's own
objects, so that two voices can never meet. One road leads from phones to sound; a whole utterance is the
pieces of its stream, joined::

    options = SessionOptions(device="auto", threads=2)
    engine = SpeechEngine(
        SemanticDecoder(open_runner(prefill, step, options, rows=4, capacity=2000)),
        SourceFilterDecoder.open(latent, vocoder, SourceFilterConfig(...), options),
        Guard(rates, Policy(retries=2)),
    )
    with engine.speak(lines) as speech:         # any iterable of Line, read as far as needed
        for piece in speech:                    # Piece(index, samples float32 [n], last), in order of lines
            play(piece.samples)                 # the first one comes as early as it can
    speech.report                               # Report: timings, tokens, retries, faults, first_s, samples

One module, one subject:

sessions    ``SessionOptions(device="auto"|"cpu"|"cuda", threads=0)``;
            ``open_session(path, options)``; ``usable_devices()``; ``Graph``: a session with checked names.
seeds       ``derive_seed(seed, *path) -> int``: a seed for a part of a request, the same on every platform;
            ``noise(seed, start, count) -> float32 [count]``: normal noise, addressed by absolute sample.
sampling    ``Sampling(top_k=15, top_p=1.0, temperature=1.0, repetition_penalty=1.35)``.
sequence    ``Sequence``: one request of stage one, owner of its tokens, its random draws and its end.
scheduler   ``Scheduler``: requests, no tensors: who runs, who waits, which row is whose.
runner      ``Backend``: tensors, no requests: prefill and step over rows; ``open_runner``: the fastest one.
graph_runner, kernel_runner
            ``OnnxBackend``: by onnxruntime; ``NativeBackend``: by ``timbral.native``.
semantic    ``SemanticDecoder(runner)``: both together; ``submit``, ``wait``, ``tokens``, ``cancel``,
            ``decode``.
            Threads may share it: whoever needs a token drives the batch for all.
acoustic    ``AcousticDecoder``, ``AcousticStream``: stage two as all others see it, whatever makes the sound:
            ``.sample_rate``; ``.stream(line, seed)`` with ``push(token) -> float32 [n] | None``, and
            ``finish()``, the pieces that are left.
source_filter
            ``SourceFilterConfig``; ``SourceFilterDecoder.open(latent, vocoder, config, options)``: windows, as
            tokens come.
vits        ``VitsConfig``; ``VitsDecoder.open(latent, vocoder, config, options)``: whole sentences, of
            which the first is vocoded in windows.
flow_matching
            ``FlowConfig``, ``V3``, ``V4``;
            ``FlowDecoder.open(features, condition, flow, vocoder, config, options)``: whole sentences, which go
            on from the ``mel`` of a line's prompt.
reference   ``ReferenceConfig(rate, timbre_rate, mel_rate=None, silence=0)``;
            ``ReferenceEncoder.open(content, timbre, config, options, speaker=None, mel=None, recall=None)``; a
            ``Recording`` is float32 [n] by rate in Hz; ``.tokens(recording) -> int64 [T]``;
            ``.mel(recording) -> float32 [C, R]``; ``.timbre([recording, ...]) -> float32 [D]``: the mean over several
            references; ``.residuals([recording, ...], timbre) -> float32 [n, 2, P]``.
envelope    ``spectral_envelope(samples, f0, rate, hop)``: CheapTrick.
residuals   ``EnvelopePredictor(graph, top, group)``: what stage two lacks of a voice, by comparing a recording with what it would say of it.
text_features
            ``TextFeatures``: BERT over token ids. kept: ``ArrayCache``, what was computed once.
detectors   loops, leaks of the prompt, silence: noticed while they happen.
audition    ``Audition``: several takes of a line at once, of which the guard keeps one.
listener    ``HmmAligner.open(path)``; ``.scores(phones, takes)``: how well takes say their phones; ``.path(phones, tokens)``.
durations   ``DurationPredictor.open(graph, options)``; ``.schedule(phones)``: which phone each token of a line is to speak.
guard       ``Guard(rates, Policy(retries=2), listener, durations)``; ``Rate(low, typical, high)`` in tokens a phone, by language;
            ``RATES``: defaults; ``Fault``: what can be wrong.
line        ``Line(phones int64 [n], timbre float32 [D], languages={"zh": 12, "en": 5},
            prompt_phones int64 [m], prompt int64 [p], features=None, prompt_features=None, mel=None,
            residuals=None, sampling=Sampling(), seed=0, speed=1.0)``: one sentence to be spoken and its voice; phones
            without the prompt's.
performance ``UtteranceDecoder``: the state of one line between its phones and its last sample.
speech      ``SpeechEngine``, ``Speech``, ``Piece``, ``Report``.

The same line with the same seed is the same sound, alone or among others, streamed or not. The seeds of the
lines of a text should differ: ``derive_seed(seed, "line", number)``.
"""
