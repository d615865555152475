"""On a local Ray cluster with two engines: the sound of one process, and an engine that is killed in the middle of streams."""

import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'timbral[ray]'")

from tests.helpers.paths import DATA
from tests.helpers.serving import RunningServer
from tests.helpers.serving_jobs import submit, wait_for
from timbral import load
from timbral.audio.writing import to_pcm
from timbral.serving.ray.scaling import engines_wanted

TEXT = " ".join(
    [
        "The ferry leaves at seven and reaches the island before noon.",
        "Take a coat, for the wind on deck is cold even in summer!",
        "There is a small café by the harbour.",
        "Its owner used to build boats, and she still repairs one now and then.",
        "Would you like to see the lighthouse afterwards?",
        "It is an hour on foot, along the cliffs.",
    ]
)
STREAMS = 4
PATIENCE = (
    "RAY_worker_register_timeout_seconds",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S",
)
"""Limits of Ray within which a busy machine does not start its processes."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """`timbral serve --ray` with two engines."""
    if sys.platform != "linux":
        pytest.skip("finds the engines' processes in /proc")
    engines = {"min_engines": 2, "max_engines": 2, "cpus_per_engine": 0.1}
    settings = {"ray": engines, "jobs": {"workers": 1}, "watermark": False}
    with pytest.MonkeyPatch.context() as patch:
        for limit in PATIENCE:
            patch.setenv(limit, "600")
        with RunningServer(tmp_path_factory.mktemp("ray") / "home", settings, ("--ray",)) as running:
            yield running


def test_a_cluster_speaks_as_one_process_does(cluster: RunningServer) -> None:
    text, recording = "Good evening. It is raining.", DATA / "chinese.flac"
    alone = load(languages=["en"], threads=1)
    assert cluster.register("ann", recording).status_code == 200
    for voice, here in (("default", "default"), ("ann", alone.clone(recording))):
        samples = alone.say(text, here, seed=7, rate=24_000).samples
        assert cluster.speak(text, seed=7, voice=voice).content == to_pcm(samples)
    refused = cluster.speak(text, voice="nobody")
    assert (refused.status_code, refused.json()["error"]["param"]) == (404, "voice")
    assert cluster.speak("...").status_code == 400


def test_jobs_are_tasks_of_the_cluster(cluster: RunningServer, tmp_path: Path) -> None:
    """One that fails at once: what workers do otherwise is the same as without Ray."""
    (tmp_path / "noise.wav").write_bytes(b"RIFF of nothing")
    made = submit(cluster, "nobody", tmp_path / "noise.wav").json()
    failed = wait_for(cluster, made["id"], "failed")
    assert failed["error"]["code"] == "unusable_recordings"


def test_streams_survive_an_engine_that_is_killed(cluster: RunningServer) -> None:
    """All streams go on, with the samples that they would have had; new requests are served meanwhile."""
    started = Barrier(STREAMS + 1)

    def stream(number: int) -> bytes:
        body = {"input": TEXT, "seed": 3, "response_format": "pcm"}
        with cluster.client.stream("POST", "/v1/audio/speech", json=body, timeout=300) as answer:
            chunks = answer.iter_raw()
            content = next(chunks)
            started.wait(120)
            return content + b"".join(chunks)

    with ThreadPoolExecutor(STREAMS) as threads:
        streams = [threads.submit(stream, number) for number in range(STREAMS)]
        started.wait(120)
        killed, left = engines(cluster.pid)
        os.kill(killed, signal.SIGKILL)
        sounds = [one.result() for one in streams]
    again = cluster.speak(TEXT, seed=3)
    assert again.status_code == 200
    assert [len(sound) for sound in sounds] == [len(again.content)] * STREAMS
    assert set(sounds) == {again.content}
    assert cluster.metric("timbral_speeches_resumed") >= 1
    assert left in engines(cluster.pid)


def engines(server: int) -> list[int]:
    """Process ids of the engines of a server."""
    parents, found = {}, []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            name = (folder / "cmdline").read_bytes()
            state = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it is over
            continue
        parents[int(folder.name)] = int(state[1])
        if b"ServeReplica:timbral:Engine" in name and state[0] != "Z":
            found.append(int(folder.name))

    def belongs(process: int) -> bool:
        while process not in (0, server):
            process = parents.get(process, 0)
        return process == server

    return [process for process in sorted(found) if belongs(process)]


@pytest.mark.parametrize(
    ("speeches", "engines", "latencies", "wanted"),
    [
        (0, 3, [], 0),
        (17, 1, [], 3),  # the queue alone
        (4, 2, [0.4, 0.6], 1),  # quick enough
        (4, 2, [1.2, 1.2], 3),  # too slow by half
        (4, 2, [9.0, 9.0], 4),  # at most twice as many at once
        (0, 2, [9.0], 0),  # nobody is there any more
    ],
)
def test_engines_follow_queue_and_latency(
    speeches: float, engines: int, latencies: list[float], wanted: int
) -> None:
    assert engines_wanted(speeches, engines, latencies, 8, 0.8) == wanted
