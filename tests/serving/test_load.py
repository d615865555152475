"""Under load: the same samples alone and in company, refusals at once, fair queues, a stop that finishes streams."""

import asyncio
import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from tests.helpers.paths import DATA
from tests.helpers.serving import RunningServer
from timbral.serving.config import EngineConfig, ServeConfig, StorageConfig
from timbral.serving.engine.admission import Admission
from timbral.serving.errors import BusyError
from timbral.serving.http.crowd import CrowdCheck
from timbral.serving.services import Services

TEXTS = [
    "The quick brown fox jumps over the lazy dog.",
    "She sells sea shells. They are by the shore.",
    "We meet again tomorrow at noon.",
    "Nobody expected the river to rise this fast!",
]


def test_the_same_samples_alone_and_in_company(server: RunningServer) -> None:
    server.register("alone", DATA / "english.flac")
    server.register("company", DATA / "chinese.flac")
    asked = [
        {"text": text, "voice": voice, "seed": seed}
        for seed, (text, voice) in enumerate((t, v) for t in TEXTS for v in ("alone", "company"))
    ]
    alone = [server.speak(**one).content for one in asked]  # type: ignore[arg-type]
    assert len(set(alone)) == len(alone)
    with ThreadPoolExecutor(len(asked)) as threads:
        together = list(threads.map(lambda one: server.speak(**one).content, asked))  # type: ignore[arg-type]
    assert together == alone


@pytest.mark.parametrize("prefix", ["", "/tts"])
def test_arrivals_are_counted_behind_a_prefix_as_well(tmp_path: Path, prefix: str) -> None:
    config = ServeConfig(storage=StorageConfig(folder=tmp_path), engine=EngineConfig(streams=1))
    services = Services.open(config)
    answers = []

    async def speak(scope: Scope, receive: Receive, send: Send) -> None:
        """A route: while it speaks, another request comes."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await check(asked(), receive, send)

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    async def send(message: Message) -> None:
        answers.append(message.get("status"))

    def asked() -> Scope:
        return {"type": "http", "path": f"{prefix}/v1/audio/speech", "root_path": prefix, "headers": []}

    check = CrowdCheck(speak, services.speaker.admission, services.keys, services.metrics)
    asyncio.run(check(asked(), receive, send))
    assert answers == [200, 429, None]


def test_what_is_too_much_is_refused_at_once(tmp_path: Path) -> None:
    """Two streams for twelve clients of one key."""
    settings = {"engine": {"streams": 2}}
    with RunningServer(tmp_path / "home", settings) as server, httpx.Client(timeout=60) as client:
        taken, start = [], threading.Barrier(12)

        def ask(number: int) -> None:
            start.wait()
            began = time.monotonic()
            answer = client.post(
                f"{server.address}/v1/audio/speech", json={"input": " ".join(TEXTS), "response_format": "pcm"}
            )
            taken.append((answer.status_code, answer.headers.get("retry-after"), time.monotonic() - began))

        with ThreadPoolExecutor(12) as threads:
            list(threads.map(ask, range(12)))
        refused = [one for one in taken if one[0] == 429]
        assert len([one for one in taken if one[0] == 200]) == 2
        assert len(refused) == 10
        assert all(int(one[1] or 0) >= 1 for one in refused)
        assert max(one[2] for one in refused) < min(one[2] for one in taken if one[0] == 200)


def test_a_stop_finishes_the_streams(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "home") as server:
        whole = server.speak(" ".join(TEXTS), seed=1).content
        with server.client.stream(
            "POST", "/v1/audio/speech", json={"input": " ".join(TEXTS), "seed": 1, "response_format": "pcm"}
        ) as answer:
            chunks = answer.iter_raw()
            content = next(chunks)
            codes: list[int] = []
            stopping = threading.Thread(target=lambda: codes.append(server.stop()))
            stopping.start()
            content += b"".join(chunks)
        stopping.join()
        assert content == whole
        assert codes == [0]


def test_who_begins_to_speak_lets_a_rush_be_answered_first(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)

    async def begins(admission: Admission) -> bool:
        task = asyncio.ensure_future(admission.calm())
        await asyncio.sleep(0)
        done = task.done()
        task.cancel()
        return done

    async def run() -> None:
        nonlocal now
        admission = Admission(EngineConfig())
        admission.arrive("a")
        assert await begins(admission)
        now += 0.002
        admission.arrive("a")
        assert not await begins(admission)
        now += 0.02
        assert await begins(admission)

    asyncio.run(run())


def test_a_rush_without_end_keeps_nobody_waiting() -> None:
    async def run() -> None:
        admission = Admission(EngineConfig())

        async def come() -> None:
            while True:
                admission.arrive("a").leave()
                await asyncio.sleep(0)

        coming = asyncio.ensure_future(come())
        await asyncio.sleep(0)
        await asyncio.wait_for(admission.calm(), 30)
        coming.cancel()

    asyncio.run(run())


def test_one_key_cannot_shut_out_the_others() -> None:
    """It may have all slots, but not the queue: the next free slots go to those with less than their share."""

    async def run() -> tuple[list[str], list[str]]:
        admission = Admission(EngineConfig(streams=2, queue=2, queue_timeout_s=5))
        done: list[str] = []
        refused: list[str] = []
        all_asked = asyncio.Event()

        async def ask(key: str) -> None:
            try:
                async with admission.slot(key):
                    await all_asked.wait()
                    done.append(key)
            except BusyError:
                refused.append(key)

        tasks = []
        for key in "aaaabcd":
            tasks.append(asyncio.ensure_future(ask(key)))
            await asyncio.sleep(0)
        all_asked.set()
        await asyncio.gather(*tasks)
        assert admission.active == admission.waiting == 0
        return done, refused

    assert asyncio.run(run()) == (["a", "a", "b", "c"], ["a", "a", "d"])


def test_a_queue_that_is_too_slow_refuses() -> None:
    async def run() -> None:
        admission = Admission(EngineConfig(streams=1, queue=4, queue_timeout_s=0.05))
        async with admission.slot("a"):
            with pytest.raises(BusyError):
                async with admission.slot("b"):
                    pass
            assert admission.waiting == 0

    asyncio.run(run())


def test_requests_count_from_their_arrival_on() -> None:
    """While two are prepared for the two slots, a third one of the key is refused, before there is any work for it."""

    async def run() -> None:
        admission = Admission(EngineConfig(streams=2, queue=1))
        with admission.arrive("a") as first, admission.arrive("a"):
            with pytest.raises(BusyError):
                admission.arrive("a")
            unreadable = admission.arrive("b")
            with pytest.raises(BusyError):
                admission.arrive("c")
            with contextlib.suppress(ValueError), unreadable:
                raise ValueError
            admission.arrive("c").leave()
            async with admission.slot("a", first):
                assert admission.active == 1
                with pytest.raises(BusyError):
                    admission.arrive("a")

    asyncio.run(run())
