"""A real TLS server on loopback, whose chain and answers a test sets; and names that lead to it."""

import contextlib
import socket
import socketserver
import ssl
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.authority import Issued

Reply = tuple[int, Sequence[tuple[str, str]]]
"""Status and header fields."""


@dataclass
class TlsServer:
    """A server that answers by path; ``replies`` may be changed while it runs. ``""`` stands for every other path."""

    port: int
    context: ssl.SSLContext
    replies: dict[str, Reply] = field(default_factory=lambda: {"/": (200, []), "": (404, [])})
    names_asked_for: list[str | None] = field(default_factory=list)
    connections: int = 0

    def deploy(self, leaf: Issued, *above: Issued) -> None:
        """Serve another chain from the next connection on; one for each kind of key is kept."""
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "chain.pem"
            key = leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
            path.write_text("".join((key, leaf.pem, *(issued.pem for issued in above))))
            self.context.load_cert_chain(path)

    def serve_header(self, name: str, value: str) -> None:
        """Let every answer carry a header field."""
        self.replies = {path: (status, [(name, value)]) for path, (status, _) in self.replies.items()}


@contextmanager
def tls_server(leaf: Issued, *above: Issued, addresses: Sequence[str] = ("127.0.0.1",)) -> Iterator[TlsServer]:
    """Serve a chain on one free port of every address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server = TlsServer(0, context)
    context.sni_callback = lambda _socket, name, _context: server.names_asked_for.append(name)
    server.deploy(leaf, *above)
    with ExitStack() as stack:
        for address in addresses:
            listener = _Listener((address, server.port), server)
            server.port = listener.server_address[1]
            thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            stack.callback(thread.join)
            stack.callback(listener.server_close)
            stack.callback(listener.shutdown)
        yield server


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address: tuple[str, int], server: TlsServer) -> None:
        self.tls = server
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that break off are what some tests are about."""


class _Handler(socketserver.BaseRequestHandler):
    server: _Listener

    def handle(self) -> None:
        tls = self.server.tls
        tls.connections += 1
        with contextlib.suppress(OSError), tls.context.wrap_socket(self.request, server_side=True) as connection:
            head = b""
            while b"\r\n\r\n" not in head and (more := connection.recv(65536)):
                head += more
            if head:
                connection.sendall(_reply(tls.replies, head.split(b" ")[1].decode()))


def _reply(replies: Mapping[str, Reply], path: str) -> bytes:
    status, fields = replies.get(path, replies[""])
    lines = [
        f"HTTP/1.1 {status} Answer",
        *(f"{name}: {value}" for name, value in fields),
        "Content-Length: 2",
        "",
        "ok",
    ]
    return "\r\n".join(lines).encode("latin-1")


def resolve(monkeypatch: pytest.MonkeyPatch, names: Mapping[str, Sequence[str]]) -> None:
    """Let names lead to addresses, as a hosts file would; other names stay as they are."""
    real = socket.getaddrinfo

    def lookup(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        if host not in names:
            return real(host, port, *arguments, **options)
        return [found for address in names[host] for found in real(address, port, *arguments, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
