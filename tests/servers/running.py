"""Real web servers, each started with one line of ours in its configuration, and a client that changes no byte."""

import os
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.hpkp.servers import Server
from tests.authority import make_site
from tests.debian import Program, program

_PATIENCE = 30.0


@dataclass(frozen=True)
class Kind:
    """How a server is run: its package, and what writes its configuration and gives the command to start it."""

    command: str
    package: str
    configure: Callable[[Program, Path, int, str], Sequence[str]]
    tls: bool = False
    own_errors: tuple[tuple[bytes, int], ...] = ()
    """Requests that the server answers with an error page of its own, and the status."""


@dataclass(frozen=True)
class Running:
    """A started server."""

    port: int
    tls: bool

    def ask(self, request: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Send bytes and return the status and the fields of the answer, as they came."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=_PATIENCE)
        with _without_checks().wrap_socket(plain) if self.tls else plain as connection:
            connection.sendall(request)
            answer = b""
            while b"\r\n\r\n" not in answer and (more := connection.recv(65536)):
                answer += more
        head, _, _ = answer.partition(b"\r\n\r\n")
        status, *lines = head.split(b"\r\n")
        fields = [line.partition(b":")[::2] for line in lines]
        return int(status.split(b" ")[1]), [(name, value.removeprefix(b" ")) for name, value in fields]

    def get(self, path: str) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Ask for a path."""
        return self.ask(_get(path))


def values_of(fields: Sequence[tuple[bytes, bytes]], name: str) -> list[bytes]:
    """Return the values of a field, in their order."""
    return [value for key, value in fields if key.lower() == name.lower().encode()]


def _without_checks() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def running(server: Server, line: str) -> Iterator[Running]:
    """Run a server with a line of configuration; it ends with the block. Raises NotStarted with what it said."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        folder.chmod(0o755)  # a server that is started as root reads it as somebody else
        with _started(server, folder, line) as started:
            yield started


@contextmanager
def _started(server: Server, folder: Path, line: str) -> Iterator[Running]:
    kind = KINDS[server]
    found = program(kind.command, kind.package)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    site = folder / "site"
    site.mkdir(parents=True)
    (site / "index.html").write_text("ok")
    (site / "empty").mkdir()
    command = [str(found.path), *kind.configure(found, folder, port, line)]
    log = folder / "log"
    environment = os.environ | found.environment | {"HOME": str(folder)}
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=stream, stderr=stream)
    try:
        _await_port(port, process, log)
        yield Running(port, kind.tls)
    finally:
        process.terminate()
        process.wait(_PATIENCE)


class NotStarted(Exception):
    """The server ended instead of answering; with what it said."""


def _await_port(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise NotStarted(log.read_text(errors="replace"))


def _nginx(_: Program, folder: Path, port: int, line: str) -> Sequence[str]:
    temporary = "".join(
        f"{name}_temp_path {folder}/{name}; " for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log stderr; {_user_of_nginx()} events {{}}\n"
        f"http {{ access_log off; {temporary}\n"
        f"server {{ listen 127.0.0.1:{port}; root {folder}/site;\n{line}\n}} }}\n"
    )
    return "-c", str(folder / "nginx.conf"), "-e", "stderr"


def _user_of_nginx() -> str:
    return "user root;" if os.geteuid() == 0 else ""


def _haproxy(_: Program, folder: Path, port: int, line: str) -> Sequence[str]:
    leaf = make_site("localhost").leaf
    key = leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    (folder / "cert.pem").write_text(leaf.pem + key)
    (folder / "haproxy.cfg").write_text(
        "global\n  log stderr format raw local0 err\n"
        "defaults\n  mode http\n  timeout client 5s\n  timeout server 5s\n  timeout connect 1s\n"
        f"frontend site\n  bind 127.0.0.1:{port} ssl crt {folder}/cert.pem\n  {line}\n"
        "  http-request return status 200 content-type text/plain string ok if { path / }\n"
        "  http-request return status 404 if { path /not-there }\n"
        "  http-request deny deny_status 403 if { path /denied }\n"
        "  default_backend away\n"
        "backend away\n  server none 127.0.0.1:1\n"
    )
    return "-f", str(folder / "haproxy.cfg"), "-db"


def _apache(found: Program, folder: Path, port: int, line: str) -> Sequence[str]:
    names = ("mpm_event", "headers", "dir", "authz_core")
    modules = "".join(f"LoadModule {n}_module {found.file('/usr/lib/apache2/modules/')}/mod_{n}.so\n" for n in names)
    (folder / "apache.conf").write_text(
        f"{modules}ServerName localhost\nListen 127.0.0.1:{port}\nPidFile {folder}/pid\nDefaultRuntimeDir {folder}\n"
        f"ErrorLog {folder}/errors\nDocumentRoot {folder}/site\nDirectoryIndex index.html\n{_user_of_apache()}"
        f"<VirtualHost *:{port}>\n{line}\n"
        "<Location /denied>\nRequire all denied\n</Location>\n</VirtualHost>\n"
    )
    return "-f", str(folder / "apache.conf"), "-DFOREGROUND"


def _user_of_apache() -> str:
    return "User www-data\nGroup www-data\n" if os.geteuid() == 0 else ""


def _lighttpd(found: Program, folder: Path, port: int, line: str) -> Sequence[str]:
    (folder / "lighttpd.conf").write_text(
        f'server.document-root = "{folder}/site"\nserver.port = {port}\nserver.bind = "127.0.0.1"\n'
        'server.modules = ("mod_setenv")\nindex-file.names = ("index.html")\n'
        f"{line}\n"
    )
    return "-D", "-f", str(folder / "lighttpd.conf"), "-m", str(found.file("/usr/lib/lighttpd"))


def _caddy(_: Program, folder: Path, port: int, line: str) -> Sequence[str]:
    (folder / "Caddyfile").write_text(
        "{\n  admin off\n  auto_https off\n}\n"
        f"http://127.0.0.1:{port}, http://localhost:{port} {{\n  root * {folder}/site\n  {line}\n"
        "  reverse_proxy /away 127.0.0.1:1\n  file_server\n}\n"
    )
    return "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


_POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
MALFORMED = b"GET / HTTP/1.1\r\nHost: localhost\r\nno field\r\n\r\n"
_TRAVERSAL = b"GET /../ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

KINDS = {
    Server.NGINX: Kind("nginx", "nginx", _nginx, own_errors=((_POST, 405), (_TRAVERSAL, 400))),
    Server.HAPROXY: Kind(
        "haproxy",
        "haproxy",
        _haproxy,
        tls=True,
        own_errors=(
            (_get("/denied"), 403),
            (_get("/away"), 503),
        ),
    ),
    Server.APACHE: Kind("apache2", "apache2-bin", _apache, own_errors=((_get("/denied"), 403), (MALFORMED, 400))),
    Server.LIGHTTPD: Kind("lighttpd", "lighttpd", _lighttpd, own_errors=((_get("/empty/"), 403),)),
    Server.CADDY: Kind("caddy", "caddy", _caddy, own_errors=((_get("/away"), 502),)),
}
