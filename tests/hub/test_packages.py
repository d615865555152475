"""Packed models over https, from a server on this machine with a certificate of its own."""

import http.server
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.packages import small_bundle
from timbral.cli import main
from timbral.errors import HubError
from timbral.hub.packages import download
from timbral.models import models_folder
from timbral.models.package import pack

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the server's certificate")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An https address whose /a.timbral is a model; /cut breaks off, /plain leads to http."""
    package = tmp_path / "a.timbral"
    pack(small_bundle(tmp_path / "a", "anna"), package)
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *files]
    subprocess.run(command, check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("no_proxy", "localhost")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/plain":
                self.send_response(302)
                self.send_header("Location", "http://localhost/a.timbral")
                self.end_headers()
                return
            known = self.path in ("/a.timbral", "/cut")
            data = package.read_bytes() if known else b""
            self.send_response(200 if known else 404)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[:100] if self.path == "/cut" else data)

        def log_message(self, *arguments: object) -> None:
            pass

    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    served.socket = context.wrap_socket(served.socket, server_side=True)
    thread = threading.Thread(target=served.serve_forever, args=(0.02,))
    thread.start()
    yield f"https://localhost:{served.server_port}"
    served.shutdown()
    thread.join()
    served.server_close()


def test_a_model_is_added_over_https(server: str, home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "add", f"{server}/a.timbral"]) == 0
    assert "sha256 " in capfd.readouterr().out
    assert (models_folder() / "anna" / "bundle.json").is_file()
    assert main(["models", "show", "anna"]) == 0
    assert f"{server}/a.timbral" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("path", "reason"), [("/cut", "cut off"), ("/plain", "https only"), ("/none", "404")]
)
def test_what_is_not_a_whole_file_over_https_is_refused(
    server: str, tmp_path: Path, path: str, reason: str
) -> None:
    with pytest.raises(HubError, match=reason):
        download(f"{server}{path}", tmp_path / "got")
