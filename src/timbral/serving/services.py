"""The parts of a running server, put together once and shared by all requests."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from timbral.audio.watermark import PUBLIC_KEY, WatermarkEmbedder
from timbral.serving.access.audit import AuditLog
from timbral.serving.access.keys import Keys, Principal
from timbral.serving.access.limits import Limits
from timbral.serving.config import ServeConfig
from timbral.serving.engine.cloning import CloningQueue
from timbral.serving.engine.interface import Pool
from timbral.serving.engine.pool import ModelPool
from timbral.serving.engine.rendering import OpenProcessor
from timbral.serving.engine.speaker import Speaker
from timbral.serving.jobs.monitor import JobMonitor, StartWorker
from timbral.serving.jobs.queue import JobQueue
from timbral.serving.metrics import Metrics
from timbral.serving.storage.database import Database
from timbral.serving.storage.objects import Objects
from timbral.serving.storage.tables import JobRow
from timbral.serving.voices.cache import VoiceCache
from timbral.serving.voices.consents import Consents
from timbral.serving.voices.registry import Voices
from timbral.serving.voices.search import VoiceSearch
from timbral.serving.voices.vector_search import search_in


@dataclass(eq=False)
class Services:
    """Everything that a request may need. preloaded: whether its models are loaded.

    draining: whether it is about to stop. restart: whether it is to be opened again after that.
    sessions: open WebSockets and connections of Home Assistant.
    request_stop: stops the server after the streams that run; None where it cannot stop itself.
    """

    config: ServeConfig
    database: Database
    objects: Objects
    keys: Keys
    limits: Limits
    audit: AuditLog
    metrics: Metrics
    pool: Pool
    consents: Consents
    voices: Voices
    search: VoiceSearch
    speaker: Speaker
    cloning: CloningQueue
    jobs: JobQueue
    monitor: JobMonitor
    preloaded: bool = False
    draining: bool = False
    restart: bool = False
    sessions: int = 0
    request_stop: Callable[[], None] | None = None

    @classmethod
    def open(
        cls, config: ServeConfig, pool: Pool | None = None, start_worker: StartWorker | None = None
    ) -> "Services":
        """Opens database and files; loads no model. Raises SettingError.

        pool: models elsewhere; None for this process. start_worker: for jobs; None for processes of this machine.
        """
        database, objects = Database.open(config.storage), Objects.open(config.storage)
        metrics = Metrics()
        if pool is None:
            pool = ModelPool(config.pool, config.engine, lambda kind: metrics.evictions.labels(kind).inc())
        cache = VoiceCache(
            config.pool.voices_mb << 20,
            lambda found: metrics.cache.labels("voices", "hit" if found else "miss").inc(),
        )
        consents = Consents(database, objects, required=config.privacy.require_consent)
        voices = Voices(config, database, objects, pool, consents, cache)
        jobs = JobQueue(database, config.jobs)
        speaker = Speaker(config.engine, pool, metrics, _processors(config))
        metrics.watch(
            "timbral_streams_active", "Speeches that are being made.", lambda: speaker.admission.active
        )
        metrics.watch("timbral_queue_length", "Requests that wait.", lambda: speaker.admission.waiting)
        metrics.watch("timbral_voice_cache_bytes", "Voices in memory.", lambda: cache.size)
        metrics.watch_by("timbral_jobs", "Jobs by state.", "state", jobs.counts)
        return cls(
            config=config,
            database=database,
            objects=objects,
            keys=Keys(database),
            limits=Limits(config.limits, database),
            audit=AuditLog(database),
            metrics=metrics,
            pool=pool,
            consents=consents,
            voices=voices,
            search=search_in(database),
            speaker=speaker,
            cloning=CloningQueue(),
            jobs=jobs,
            monitor=JobMonitor(config, jobs, lambda job: _warm(job, voices, pool), start_worker),
        )

    def preload(self) -> None:
        """Loads the models that the configuration names. Raises TimbralError."""
        for name in self.config.pool.preload:
            with self.pool.lease(name):
                continue
        self.preloaded = True

    def close(self) -> None:
        """Waits for speeches that still run, ends the workers, and closes the database."""
        self.speaker.close()
        self.monitor.close()
        self.database.close()


def _warm(job: JobRow, voices: Voices, pool: Pool) -> None:
    """Makes the voice of a job ready to speak. Raises TimbralError."""
    owner = Principal(job.owner, job.key_id, frozenset())
    voice = voices.resolve(owner, job.voice_id).voice
    with pool.lease(pool.fitting(voice, voice.model), voice):
        return


def _processors(config: ServeConfig) -> tuple[OpenProcessor, ...]:
    """What is done to the samples of every speech between synthesis and encoder, in this order."""
    if not config.watermark:
        return ()
    key = config.watermark_key or os.environ.get("TIMBRAL_WATERMARK_KEY") or PUBLIC_KEY
    return (partial(WatermarkEmbedder, key=key),)
