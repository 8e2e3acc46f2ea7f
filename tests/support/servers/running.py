"""Real web servers with a line of configuration, each in the foreground on a loopback port of its own.

Every server answers `/page` with 200, what it does not know with 404, and `/down` with an error of its own, because
nothing is where it should forward that to.
"""

import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.hpkp.header.server_lines import Server
from tests.support.authority import make_site
from tests.support.debian import Program, debian_program

_PATIENCE = 180.0


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one server is brought, configured and started."""

    command: str
    package: str
    configuration: str
    arguments: Callable[[Program, str], tuple[str, ...]]
    """From the unpacked package and the path of the configuration."""


_KINDS = {
    Server.HAPROXY: _Kind(
        "haproxy",
        "haproxy",
        """\
defaults
    mode http
    timeout connect 10s
    timeout client 10s
    timeout server 10s
frontend tested
    bind 127.0.0.1:{port} ssl crt {directory}/site.pem
    bind unix@{directory}/plain.sock
    {line}
    use_backend empty if {{ path /down }}
    default_backend origin
backend empty
backend origin
    server origin unix@{directory}/origin.sock
listen origin
    bind unix@{directory}/origin.sock
    http-request return status 200 content-type text/plain string page if {{ path /page }}
    http-request return status 404
""",
        lambda _, configuration: ("-db", "-f", configuration),
    ),
    Server.NGINX: _Kind(
        "nginx",
        "nginx",
        """\
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory};
    proxy_temp_path {directory};
    fastcgi_temp_path {directory};
    uwsgi_temp_path {directory};
    scgi_temp_path {directory};
    {http}
    server {{
        listen 127.0.0.1:{port};
        root {directory}/site;
        {line}
        location = /down {{ proxy_pass http://unix:{directory}/absent.sock; }}
    }}
}}
""",
        lambda _, configuration: ("-e", "stderr", "-c", configuration),
    ),
    Server.APACHE: _Kind(
        "apache2",
        "apache2-bin",
        """\
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule headers_module {modules}/mod_headers.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
LoadModule status_module {modules}/mod_status.so
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {directory}/apache.pid
DefaultRuntimeDir {directory}
ErrorLog /dev/stderr
User nobody
Group nogroup
<VirtualHost *:{port}>
    {line}
    ProxyPass /down unix:{directory}/absent.sock|http://localhost/
    # No file: root's Apache runs as a user that may not look into this folder.
    <Location /page>
        SetHandler server-status
    </Location>
</VirtualHost>
""",
        lambda _, configuration: ("-D", "FOREGROUND", "-f", configuration),
    ),
    Server.CADDY: _Kind(
        "caddy",
        "caddy",
        """\
{{
    admin off
    auto_https off
}}
http://:{port} {{
    bind 127.0.0.1
    {line}
    reverse_proxy /down unix/{directory}/absent.sock
    root * {directory}/site
    file_server
}}
""",
        lambda _, configuration: ("run", "--adapter", "caddyfile", "--config", configuration),
    ),
    Server.LIGHTTPD: _Kind(
        "lighttpd",
        "lighttpd",
        """\
server.modules = ("mod_setenv", "mod_proxy")
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{directory}/site"
{line}
$HTTP["url"] == "/down" {{ proxy.server = ("" => (("host" => "{directory}/absent.sock"))) }}
""",
        lambda program, configuration: ("-D", "-m", str(program.root / "usr/lib/lighttpd"), "-f", configuration),
    ),
}

RUNNABLE = tuple(_KINDS)
"""The servers that are free to run: not IIS."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A started server."""

    server: Server
    port: int
    directory: Path

    def ask(self, request: bytes) -> bytes:
        """Send the octets of a request and return those of the whole response."""
        with socket.create_connection(("127.0.0.1", self.port), _PATIENCE) as plain:
            if self.server is not Server.HAPROXY:
                return _exchange(plain, request)
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE  # a certificate of our own; what counts is the TLS
            with context.wrap_socket(plain) as secured:
                return _exchange(secured, request)

    def ask_without_tls(self, request: bytes) -> bytes:
        """Send the octets of a request to HAProxy's frontend by its socket without TLS."""
        with socket.socket(socket.AF_UNIX) as plain:
            plain.connect(str(self.directory / "plain.sock"))
            return _exchange(plain, request)


class RefusedToStart(Exception):
    """The server ended before it took a connection; the text is what it said."""


@contextmanager
def running_server(
    server: Server, line: str, *, directory: Path, preface: str = "", http: str = ""
) -> Iterator[RunningServer]:
    """Run the server with the line where it belongs; it ends with the block. Raises RefusedToStart.

    A preface stands above the rest of the configuration; ``http`` in the http block of nginx.
    """
    kind = _KINDS[server]
    port = free_port()
    (directory / "site").mkdir(parents=True)
    (directory / "site" / "page").write_text("page\n")
    leaf = make_site().leaf
    key = leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
    (directory / "site.pem").write_text(leaf.pem + key)
    modules = debian_program(kind.command, package=kind.package).root / "usr/lib/apache2/modules"
    text = kind.configuration.format(line=line, http=http, port=port, directory=directory, modules=modules)
    with running_configuration(server, preface + text, port=port, directory=directory):
        yield RunningServer(server, port, directory)


@contextmanager
def running_configuration(server: Server, configuration: str, *, port: int, directory: Path) -> Iterator[None]:
    """Run the server with a whole configuration, which listens on that port; it ends with the block.

    Raises RefusedToStart.
    """
    kind = _KINDS[server]
    program = debian_program(kind.command, package=kind.package)
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "configuration"
    file.write_text(configuration)
    environment = {
        **program.environment,
        "HOME": str(directory),
        "XDG_CONFIG_HOME": str(directory),
        "XDG_DATA_HOME": str(directory),
    }
    log = directory / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [program.path, *kind.arguments(program, str(file))],
            cwd=directory, env=environment, stdout=stream, stderr=stream, start_new_session=True,
        )  # fmt: skip
    try:
        _wait_for(process, port, log)
        yield
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until the server takes connections."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RefusedToStart(log.read_text(errors="replace"))
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"the server took no connection:\n{log.read_text(errors='replace')}")


def _exchange(connection: socket.socket, request: bytes) -> bytes:
    connection.settimeout(_PATIENCE)
    connection.sendall(request)
    return b"".join(iter(lambda: connection.recv(65536), b""))
