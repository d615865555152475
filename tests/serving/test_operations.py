"""The OpenAPI document holds, the page of documentation needs no network, metrics count, settings are checked."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.helpers.serving import RunningServer
from timbral.errors import SettingError
from timbral.serving.config import read_config

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")


def test_the_openapi_document_holds(closed_server: RunningServer) -> None:
    """Requests that schemathesis makes of the document: no failure of the server, no answer that the document lacks.

    Texts without a word are valid by the document and refused all the same.
    """
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    schema = schemathesis.openapi.from_url(f"{closed_server.address}/openapi.json")
    count = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=6,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def check(case: schemathesis.Case) -> None:
            case.call_and_validate(
                headers=closed_server.headers, timeout=30, excluded_checks=[positive_data_acceptance]
            )

        check()
        count += 1
    assert count >= 15


def test_the_page_of_documentation_loads_nothing_from_elsewhere(server: RunningServer) -> None:
    page = server.client.get("/docs").text
    linked = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert linked
    assert all(link.startswith("/docs/assets/") for link in linked)
    assert all(server.client.get(link).status_code == 200 for link in linked)


def test_metrics_count_speech(server: RunningServer) -> None:
    before = server.metric("timbral_speeches_total")
    server.speak("Hello there.")
    assert server.metric("timbral_speeches_total") == before + 1
    assert server.metric("timbral_first_sound_seconds_count") > 0
    assert server.metric("timbral_real_time_factor_count") > 0


def test_the_pool_shows_what_is_loaded(server: RunningServer) -> None:
    shown = server.client.get("/v1/pool").json()
    assert [(one["name"], one["state"]) for one in shown["loaded"]] == [("sovits-tiny", "ready")]
    pinned = server.client.post("/v1/pool/sovits-tiny", json={"pinned": True}).json()
    assert pinned["loaded"][0]["pinned"]
    assert server.client.post("/v1/pool/nothing", json={"pinned": True}).status_code == 404


def test_settings_come_from_flags_then_the_environment_then_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "serve.yaml"
    path.write_text("port: 1\nhost: 127.0.0.2\nengine: {streams: 3, queue: 5}\n", encoding="utf-8")
    monkeypatch.setenv("TIMBRAL_SERVE_ENGINE__STREAMS", "4")
    monkeypatch.setenv("TIMBRAL_SERVE_HOST", "127.0.0.3")
    config = read_config(path, port=2)
    assert (config.port, config.host, config.engine.streams, config.engine.queue) == (2, "127.0.0.3", 4, 5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot: 1", "prot"),
        ("engine: {streams: 0}", "engine.streams"),
        ("- a", "no settings"),
        ("a: [", "not YAML"),
    ],
)
def test_wrong_settings_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "serve.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingError, match=message) as caught:
        read_config(path)
    assert "\n" not in str(caught.value)
