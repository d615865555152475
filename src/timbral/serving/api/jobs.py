"""`/v1/voices/jobs`: recordings become a fine-tuned voice, in a process apart from the server."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Form, Query, Response, UploadFile
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from timbral.errors import TimbralError
from timbral.serving.access.keys import Principal
from timbral.serving.api.dependencies import REFUSALS, CanTrain, Parts, RequestId
from timbral.serving.api.uploads import content_of
from timbral.serving.errors import ApiError, BusyError
from timbral.serving.jobs.options import JobOptions, Upload, remove_recordings, store_recordings
from timbral.serving.jobs.queue import ACTIVE, PREFIX, State
from timbral.serving.services import Services
from timbral.serving.storage.tables import JobRow, now
from timbral.serving.voices.consents import sha256_of
from timbral.serving.voices.registry import PREFIX as VOICE_PREFIX
from timbral.text.languages import LANGUAGES

router = APIRouter(prefix="/v1/voices/jobs", tags=["jobs"], responses=REFUSALS)

_POLL_S, _COMMENT_S = 0.5, 15.0
_MOST_WATCHERS = 200
_watchers = asyncio.Semaphore(_MOST_WATCHERS)


class JobProblem(BaseModel):
    """Why a job failed, or what its last attempt failed at."""

    code: str
    message: str


class VoiceJob(BaseModel):
    """A job. stage: preparing, training, checking or registering; step: what is done there; progress: the share of all
    that is done. voice: id of the voice, once it is there. notes: what to know about the recordings.
    """

    object: Literal["voice.job"] = "voice.job"
    id: str
    name: str
    status: State
    stage: str
    step: str
    progress: float
    attempt: int
    cancelling: bool
    voice: str | None
    consent: str | None
    model: str
    recordings: list[str]
    notes: list[str]
    error: JobProblem | None
    created_at: int
    started_at: int | None
    finished_at: int | None

    @classmethod
    def of(cls, job: JobRow) -> "VoiceJob":
        """As the API shows it."""
        return cls(
            id=job.id,
            name=job.name,
            status=job.state,  # type: ignore[arg-type]
            stage=job.stage,
            step=job.step,
            progress=job.progress,
            attempt=job.attempts,
            cancelling=job.cancelling and job.finished is None,
            voice=job.voice_id if job.state == "succeeded" else None,
            consent=job.consent_id,
            model=str(job.options.get("model", "")),
            recordings=[one["name"] for one in job.recordings],
            notes=job.notes,
            error=JobProblem(code=job.error_code, message=job.error) if job.error else None,
            created_at=int(job.created.timestamp()),
            started_at=int(job.started.timestamp()) if job.started else None,
            finished_at=int(job.finished.timestamp()) if job.finished else None,
        )


class JobList(BaseModel):
    """Jobs, the newest first."""

    object: Literal["list"] = "list"
    data: list[VoiceJob]


@router.post("", summary="Make a fine-tuned voice", status_code=202)
async def create_job(
    parts: Parts,
    principal: CanTrain,
    request_id: RequestId,
    response: Response,
    name: Annotated[str, Form(min_length=1, max_length=100)],
    recordings: Annotated[
        list[UploadFile], File(description="Recordings of one speaker, about a minute or more.")
    ],
    consent: Annotated[
        str, Form(max_length=2000, description="Id of the speaker's consent, or the statement itself.")
    ] = "",
    language: Annotated[str, Form(max_length=16, description="Of the recordings.")] = "auto",
    model: Annotated[str, Form(max_length=200, description="The model to fine-tune.")] = "",
    visibility: Annotated[Literal["private", "public"], Form()] = "private",
    epochs: Annotated[int | None, Form(ge=1, le=100, description="Passes over the recordings.")] = None,
    denoise: Annotated[bool | None, Form(description="Whether noisy clips are denoised.")] = None,
) -> VoiceJob:
    """Takes recordings and a consent, and answers at once; `/events` tells how the job goes on."""
    most = parts.config.jobs.recordings
    if len(recordings) > most:
        raise ApiError(400, f"a job has at most {most} recordings", param="recordings")
    if language not in ("auto", *LANGUAGES):
        known = ", ".join(("auto", *LANGUAGES))
        raise ApiError(400, f"language {language!a} is unknown; there are {known}", param="language")
    uploads = [
        Upload(one.filename or "recording", await content_of(one, parts, "recordings")) for one in recordings
    ]
    options = JobOptions(
        model=parts.config.model_aliases.get(model, model) or parts.config.default_model,
        language=language,
        public=visibility == "public",
        epochs=epochs,
        denoise=denoise,
    )
    submission = _Submission(parts, principal, request_id)
    job = await run_in_threadpool(submission.submit, name, uploads, consent or None, options)
    response.headers["Location"] = f"{router.prefix}/{job.id}"
    return VoiceJob.of(job)


@router.get("", summary="List jobs")
def list_jobs(
    parts: Parts, principal: CanTrain, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> JobList:
    """The jobs of the key's owner, the newest first."""
    return JobList(data=[VoiceJob.of(job) for job in parts.jobs.visible(principal, limit)])


@router.get("/{job_id}", summary="Show a job")
def show_job(job_id: str, parts: Parts, principal: CanTrain) -> VoiceJob:
    """One job."""
    return VoiceJob.of(parts.jobs.get(principal, job_id))


@router.delete("/{job_id}", summary="Cancel a job")
def cancel_job(job_id: str, parts: Parts, principal: CanTrain, request_id: RequestId) -> VoiceJob:
    """Cancels a job: one that runs within seconds. A job that is over stays as it is."""
    job = parts.jobs.cancel(principal, job_id)
    parts.audit.append("job.cancelled", principal, request_id, job=job.id, state=job.state)
    if job.state == "cancelled":
        remove_recordings(parts.objects, job.id)
    parts.monitor.wake()
    return VoiceJob.of(job)


@router.get(
    "/{job_id}/events",
    summary="Follow a job",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def follow_job(job_id: str, parts: Parts, principal: CanTrain) -> StreamingResponse:
    """Server-sent events: the job as it is now, then at every change, until it is over."""
    await run_in_threadpool(parts.jobs.get, principal, job_id)
    if _watchers.locked():
        raise BusyError("too many clients follow jobs", 5)
    return StreamingResponse(
        _events(parts, principal, job_id),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(parts: Services, principal: Principal, job_id: str) -> AsyncIterator[bytes]:
    """`voice.job.updated` at every change, and at last `voice.job.succeeded`, `.failed` or `.cancelled`."""
    version, sent_at = -1, time.monotonic()
    async with _watchers:
        while not parts.draining:
            try:
                job = await run_in_threadpool(parts.jobs.get, principal, job_id)
            except TimbralError:
                return
            if job.version != version:
                version, sent_at = job.version, time.monotonic()
                over = job.state not in ACTIVE
                kind = f"voice.job.{job.state if over else 'updated'}"
                yield _event(kind, VoiceJob.of(job).model_dump())
                if over:
                    return
            elif time.monotonic() - sent_at > _COMMENT_S:
                sent_at = time.monotonic()
                yield b": still there\n\n"  # a proxy would close a silent connection
            await asyncio.sleep(_POLL_S)


def _event(kind: str, job: dict[str, Any]) -> bytes:
    data = json.dumps({"type": kind, "job": job}, ensure_ascii=True)
    return f"event: {kind}\ndata: {data}\n\n".encode()


class _Submission:
    """From a request to a job in the queue."""

    def __init__(self, parts: Services, principal: Principal, request_id: str) -> None:
        self._parts, self._principal, self._request_id = parts, principal, request_id

    def submit(self, name: str, uploads: list[Upload], consent: str | None, options: JobOptions) -> JobRow:
        """Stores the recordings, then the job with its consent. Raises ApiError."""
        parts, principal = self._parts, self._principal
        if options.model not in parts.pool.known():
            message = f"there is no model {options.model[:80]!r}"
            raise ApiError(404, message, code="model_not_found", param="model")
        parts.voices.check_name(principal, name)
        digests = [sha256_of(one.content) for one in uploads]
        agreement = parts.consents.agreement(principal, consent, name, digests)
        job = self._job(name, options)
        # First the files, then the record that names them: a crash in between leaves files that are removed later.
        job.recordings = store_recordings(parts.objects, job.id, uploads)
        try:
            with parts.database.session() as session:
                if agreement is not None:
                    parts.consents.settle(session, principal, agreement, digests)
                    job.consent_id = agreement.row.id
                parts.jobs.add(session, job)
                parts.audit.add(
                    session, "job.created", principal, self._request_id,
                    job=job.id, name=name, consent=job.consent_id, recordings=digests,
                )  # fmt: skip
        except TimbralError:
            remove_recordings(parts.objects, job.id)
            raise
        parts.monitor.wake()
        return job

    def _job(self, name: str, options: JobOptions) -> JobRow:
        principal = self._principal
        return JobRow(
            id=PREFIX + secrets.token_hex(12),
            owner=principal.owner,
            key_id=principal.key_id,
            scopes=" ".join(sorted(principal.scopes)),
            request_id=self._request_id,
            name=name,
            voice_id=VOICE_PREFIX + secrets.token_hex(12),
            options=options.model_dump(),
            created=now(),
        )
