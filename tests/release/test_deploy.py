"""What deploy/ holds fits what reads it: the settings of the server, Ray Serve, and the resource definition of KubeRay."""

import gzip
import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pydantic_settings", reason="the server is not installed: pip install 'timbral[serve]'")

import yaml

from tests.helpers.paths import DATA
from timbral.serving.config import ServeConfig, read_config

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    """The documents of rayservice.yaml by kind."""
    text = (DEPLOY / "rayservice.yaml").read_text(encoding="utf-8")
    return {one["kind"]: one for one in yaml.safe_load_all(text)}


def test_the_ray_service_fits_its_definition(resources: dict[str, Any]) -> None:
    """The schema of KubeRay's main branch, without descriptions; fields that it does not know are mistakes."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = closed(json.loads(gzip.decompress((DATA / "rayservice-schema.json.gz").read_bytes())))
    validator = jsonschema.Draft202012Validator(schema)
    service = resources["RayService"]
    assert [error.message for error in validator.iter_errors(service)] == []
    service["spec"]["rayClusterConfig"]["headGroupSpec"]["rayStartParam"] = {}
    assert not validator.is_valid(service)
    del service["spec"]["rayClusterConfig"]["headGroupSpec"]["rayStartParam"]


def test_its_settings_are_settings_of_the_server(resources: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "serve.yaml"
    file.write_text(resources["ConfigMap"]["data"]["serve.yaml"], encoding="utf-8")
    config = read_config(file)
    worker = resources["RayService"]["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]
    pod = worker["template"]["spec"]["containers"][0]["resources"]["requests"]
    assert config.ray.max_engines * config.ray.cpus_per_engine <= worker["maxReplicas"] * int(pod["cpu"])
    assert worker["template"]["spec"]["terminationGracePeriodSeconds"] > config.shutdown_timeout_s


def test_ray_serve_accepts_the_application(resources: dict[str, Any]) -> None:
    schema = pytest.importorskip(
        "ray.serve.schema", reason="Ray is not installed: pip install 'timbral[ray]'"
    )
    written = yaml.safe_load(resources["RayService"]["spec"]["serveConfigV2"])
    (application,) = schema.ServeDeploySchema.model_validate(written).applications
    module, _, name = application.import_path.partition(":")
    imported = import_module(module)
    assert callable(getattr(imported, name))
    import_module("timbral.serving.ray.application").Arguments(**application.args)
    assert application.args["config"] == "/etc/timbral/serve.yaml"


def test_compose_gives_settings_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    environment = compose["services"]["server"]["environment"]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    storage = read_config().storage
    assert storage.database == environment["TIMBRAL_SERVE_STORAGE__DATABASE"]
    assert storage.objects == "s3://timbral"
    ours = {f"TIMBRAL_SERVE_{name.upper()}" for name in ServeConfig.model_fields}
    assert all(name.partition("__")[0] in ours for name in environment if name.startswith("TIMBRAL_SERVE_"))


def closed(schema: Any) -> Any:
    """A schema that takes no fields beside those it names, as `kubectl --validate=strict` does not."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    free = schema.get("x-kubernetes-preserve-unknown-fields") or "properties" not in schema
    if schema.get("type") == "object" and not free:
        found["additionalProperties"] = False
    return found
