"""Figures for Prometheus, in a registry of their own, so that two servers in one process do not mix."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from timbral.inference.stream import Report

_SECONDS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 3.0, 5.0, 10.0)
_FACTORS = (0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 2.0)


class Metrics:
    """What the server counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        made = self.registry
        self.requests = Counter(
            "timbral_requests", "HTTP requests.", ("method", "route", "status"), registry=made
        )
        self.first_sound = Histogram(
            "timbral_first_sound_seconds",
            "From the request to its first bytes of sound.",
            buckets=_SECONDS,
            registry=made,
        )
        self.rtf = Histogram(
            "timbral_real_time_factor",
            "Seconds of work for a second of speech, waiting for others included.",
            buckets=_FACTORS,
            registry=made,
        )
        self.speeches = Counter("timbral_speeches", "Speeches that were begun.", registry=made)
        self.audio = Counter("timbral_audio_seconds", "Seconds of speech that were made.", registry=made)
        self.sentences = Counter("timbral_sentences", "Utterances that were spoken.", registry=made)
        self.tokens = Counter("timbral_tokens", "Semantic tokens that were sampled.", registry=made)
        self.retries = Counter(
            "timbral_retries", "Utterances that the hallucination checks had sampled again.", registry=made
        )
        self.faults = Counter(
            "timbral_faults", "Candidates that were rejected, by fault.", ("fault",), registry=made
        )
        self.rejected = Counter(
            "timbral_rejected", "Requests that were refused, by code.", ("code",), registry=made
        )
        self.evictions = Counter("timbral_evictions", "What made room in memory.", ("kind",), registry=made)
        self.cache = Counter("timbral_cache", "Look-ups in caches.", ("cache", "result"), registry=made)

    def watch(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """A gauge that is read when it is asked for."""
        self.registry.register(_Watched(name, help_text, value))

    def watch_by(self, name: str, help_text: str, label: str, values: Callable[[], dict[str, int]]) -> None:
        """A gauge with a label that is read when it is asked for."""
        self.registry.register(_WatchedBy(name, help_text, label, values))

    def count_speech(self, report: Report | None) -> None:
        """Counts a speech that is over or was stopped."""
        if report is None:
            return
        self.speeches.inc()
        self.audio.inc(report.audio_s)
        self.sentences.inc(report.sentences)
        self.tokens.inc(report.tokens)
        self.retries.inc(report.retries)
        for fault, count in report.faults.items():
            self.faults.labels(fault).inc(count)
        if report.audio_s:
            self.rtf.observe(report.rtf)

    def text(self) -> bytes:
        """All figures in Prometheus' format."""
        return generate_latest(self.registry)


class _Watched(Collector):
    def __init__(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        self._name, self._help, self._value = name, help_text, value

    def collect(self) -> list[GaugeMetricFamily]:
        """One sample."""
        return [GaugeMetricFamily(self._name, self._help, value=self._value())]


class _WatchedBy(Collector):
    def __init__(self, name: str, help_text: str, label: str, values: Callable[[], dict[str, int]]) -> None:
        self._name, self._help, self._label, self._values = name, help_text, label, values

    def describe(self) -> list[GaugeMetricFamily]:
        """No sample: a registry asks for it before there are any values."""
        return [GaugeMetricFamily(self._name, self._help, labels=[self._label])]

    def collect(self) -> list[GaugeMetricFamily]:
        """A sample for each value of the label."""
        family = GaugeMetricFamily(self._name, self._help, labels=[self._label])
        for value, count in self._values().items():
            family.add_metric([value], count)
        return [family]
