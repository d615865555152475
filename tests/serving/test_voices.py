"""Voices with consent: registered, bound to recordings, seen by their owner, exported, searched, removed."""

import hashlib
import time
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.paths import DATA
from tests.helpers.serving import RECORDING, STATEMENT, RunningServer
from timbral.serving.access.keys import ANONYMOUS, Principal
from timbral.serving.config import StorageConfig
from timbral.serving.storage.database import Database
from timbral.serving.storage.tables import VoiceRow
from timbral.serving.voices.search import ExactSearch
from timbral.voices import Voice

CHINESE = DATA / "chinese.flac"


def test_a_registered_voice_speaks_as_one_cloned_on_the_spot(server: RunningServer) -> None:
    voice = server.register("ann").json()
    assert voice["owned"]
    assert voice["visibility"] == "private"
    by_name, by_id = server.speak(voice="ann", seed=2), server.speak(voice={"id": voice["id"]}, seed=2)
    assert by_name.status_code == 200
    assert by_name.content == by_id.content != server.speak(seed=2).content
    listed = server.client.get("/v1/audio/voices").json()
    assert {"ann", "default"} <= set(listed["voices"])
    assert server.client.get("/v1/audio/voices/ann").json() == voice
    assert server.register("ann").status_code == 409
    assert server.client.delete(f"/v1/audio/voices/{voice['id']}").json()["deleted"]
    assert server.speak(voice="ann").status_code == 404


def test_no_voice_without_consent(server: RunningServer) -> None:
    files = {"audio_sample": RECORDING.read_bytes()}
    answer = server.client.post("/v1/audio/voices", data={"name": "x"}, files=files)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "consent_required"
    assert server.register("x", consent="cons_unknown").status_code == 404


def test_a_consent_is_bound_to_its_recordings(server: RunningServer) -> None:
    given = {"name": "Ann Speaker", "statement": STATEMENT}
    consent = server.client.post("/v1/audio/voice_consents", data=given).json()
    assert consent["allows"] == []
    voice = server.register("bound", consent=consent["id"]).json()
    assert voice["consent"] == consent["id"]
    bound = server.client.get(f"/v1/audio/voice_consents/{consent['id']}").json()
    assert bound["allows"] == [hashlib.sha256(RECORDING.read_bytes()).hexdigest()]
    other = server.register("other", CHINESE, consent=consent["id"])
    assert other.status_code == 403
    assert other.json()["error"]["code"] == "consent_mismatch"
    assert server.client.delete(f"/v1/audio/voice_consents/{consent['id']}").json()["deleted"]
    assert server.speak(voice="bound").json()["error"]["code"] == "consent_revoked"


def test_a_consent_can_be_a_recording_and_name_what_it_allows(server: RunningServer) -> None:
    digest = hashlib.sha256(CHINESE.read_bytes()).hexdigest()
    consent = server.client.post(
        "/v1/audio/voice_consents",
        data={"name": "Li", "language": "zh-CN", "allows": digest},
        files={"recording": RECORDING.read_bytes()},
    ).json()
    assert consent["recording_sha256"] == hashlib.sha256(RECORDING.read_bytes()).hexdigest()
    assert server.register("li", RECORDING, consent=consent["id"]).status_code == 403
    assert server.register("li", CHINESE, consent=consent["id"]).status_code == 200
    broken = server.client.post("/v1/audio/voice_consents", data={"name": "x"}, files={"recording": b"noise"})
    assert broken.status_code == 400


def test_a_recording_that_cannot_be_cloned_leaves_nothing(server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"RIFF")
    before = server.client.get("/v1/audio/voice_consents").json()["data"]
    answer = server.register("broken", tmp_path / "x.wav")
    assert answer.status_code == 400
    assert "broken" not in server.client.get("/v1/audio/voices").json()["voices"]
    assert server.client.get("/v1/audio/voice_consents").json()["data"] == before


def test_voices_move_as_files(server: RunningServer, tmp_path: Path) -> None:
    server.register("mover")
    content = server.client.get("/v1/audio/voices/mover/file").content
    (tmp_path / "mover.voice").write_bytes(content)
    consent = Voice.load(tmp_path / "mover.voice").consent
    assert consent is not None
    assert consent.statement == STATEMENT
    moved = server.client.post("/v1/audio/voices", data={"name": "moved"}, files={"voice_file": content})
    assert moved.status_code == 200, moved.text
    assert server.speak(voice="moved", seed=1).content == server.speak(voice="mover", seed=1).content


def test_a_search_finds_the_speaker(server: RunningServer) -> None:
    server.register("english")
    server.register("chinese", CHINESE)
    found = server.client.post(
        "/v1/audio/voices/search", files={"audio_sample": CHINESE.read_bytes()}, data={"limit": "50"}
    ).json()["data"]
    assert next(one["similarity"] for one in found if one["name"] == "chinese") > 0.99
    similarities = [one["similarity"] for one in found]
    assert similarities == sorted(similarities, reverse=True)
    assert next(one["similarity"] for one in found if one["name"] == "english") < 0.9


def test_voices_are_seen_by_their_owner_and_public_ones_by_all(closed_server: RunningServer) -> None:
    keys = {
        name: closed_server.run("keys", "add", name, "--scope", "speak", "--scope", "voices")
        for name in ("ann", "ben")
    }
    as_ann, as_ben = ({"Authorization": f"Bearer {keys[name]}"} for name in ("ann", "ben"))
    client = closed_server.client

    def register(name: str, visibility: str) -> int:
        files = {"audio_sample": RECORDING.read_bytes()}
        data = {"name": name, "consent": STATEMENT, "visibility": visibility}
        return client.post("/v1/audio/voices", data=data, files=files, headers=as_ann).status_code

    _wait_for(closed_server, as_ben)
    assert register("secret", "private") == 200
    assert register("shared", "public") == 200

    def names(headers: dict[str, str]) -> set[str]:
        return set(client.get("/v1/audio/voices", headers=headers).json()["voices"])

    assert {"secret", "shared"} <= names(as_ann)
    assert names(as_ben) & {"secret", "shared"} == {"shared"}
    body = {"input": "Hi.", "response_format": "pcm"}
    said = [
        client.post("/v1/audio/speech", json={**body, "voice": name}, headers=as_ben)
        for name in ("secret", "shared")
    ]
    assert [one.status_code for one in said] == [404, 200]
    assert client.delete("/v1/audio/voices/shared", headers=as_ben).status_code == 403
    assert client.get("/v1/audio/voices/secret/file", headers=as_ben).status_code == 404
    assert client.get("/v1/audio/voices/shared/file", headers=as_ben).status_code == 403


def _wait_for(server: RunningServer, headers: dict[str, str]) -> None:
    """A running server reads new keys every two seconds."""
    for _ in range(100):
        if server.client.get("/v1/models", headers=headers).status_code == 200:
            return
        time.sleep(0.1)
    pytest.fail("the key is not known")


def test_exact_search_among_many(tmp_path: Path) -> None:
    """The nearest of 20,000, and nothing of other owners."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(20_000, 256)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    database = Database.open(StorageConfig(folder=tmp_path))
    with database.session() as session:
        session.add_all(
            VoiceRow(
                id=f"voice_{i:05}",
                owner="a" if i % 2 else "b",
                name=str(i),
                model="m",
                family="f",
                version="1",
                object="",
                sha256="",
                size=0,
                embedding=vector.tobytes(),
            )
            for i, vector in enumerate(vectors)
        )
    search, asks = ExactSearch(database), vectors[7] + 0.01 * vectors[8]
    mine = Principal("a", "key", frozenset(("speak",)))
    found = search.nearest(mine, ("f", "1"), asks, 5)
    assert found[0].voice_id == "voice_00007"
    assert all(int(match.voice_id[6:]) % 2 for match in found)
    exact = np.argsort(-(vectors[1::2] @ asks), kind="stable")[:5] * 2 + 1
    assert [int(match.voice_id[6:]) for match in found] == exact.tolist()
    assert len(search.nearest(ANONYMOUS, ("f", "1"), asks, 3)) == 3
    assert search.nearest(mine, ("g", "1"), asks, 3) == []
