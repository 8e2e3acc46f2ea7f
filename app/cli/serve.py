"""``hpkp serve``: take reports and answer questions over HTTP."""

import ipaddress
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType
from typing import Annotated

import typer
import uvicorn

from app.cli import workers as many
from app.cli.fold_process import FoldProcess
from app.cli.terminal import CANNOT_TELL, err, fail, opened, read_settings
from app.cli.token import login_address
from app.clock import now
from app.main import create_app
from app.open_files import make_room_for_connections
from app.service import Service
from app.settings import Settings

_PROTOCOL = "app.api.report_protocol:ReportProtocol"
_PROTOCOL_FOR_ASGI = "app.api.connections:LimitedProtocol"
_DRAIN_SECONDS = 20
_HUNG_SECONDS = 30
"""A worker that gives no sign of life for so long is killed; one that starts on a busy machine may be slow."""


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on, else HPKP_PORT; 0 takes a free one.")
    ] = None,
    intake_only: Annotated[bool, typer.Option("--intake-only", help="Serve only /report and health checks.")] = False,
    trusted_proxies: Annotated[
        str,
        typer.Option(help="Proxies whose X-Forwarded-For names the client: addresses and networks, comma separated."),
    ] = "127.0.0.1,::1",
    workers: Annotated[int, typer.Option(min=1, help="Processes that serve.")] = 1,
    whole_requests: Annotated[
        bool, typer.Option(help="Answer reports that come whole in one read before ASGI, which takes less time.")
    ] = True,
) -> None:
    """Run the collector.

    Settings come from the environment (HPKP_…), see docs/operating.md.

    The API and the pages need a token or a log-in. While there is no token, a one-time log-in link is printed.
    """
    settings = read_settings()
    with opened(settings, caught_up=False, creates=True) as service:
        _check_log_directory(settings)
        secret = None if intake_only else _first_login(service, host)
    if (most := make_room_for_connections(settings.max_connections)) < settings.max_connections:
        err.print(
            f"HPKP_MAX_CONNECTIONS is {settings.max_connections}, but the limit of open files leaves room for {most}. "
            "Raise it (ulimit -n, LimitNOFILE=).",
            markup=False,
        )
    several = many.INTAKE_FACTORY if intake_only else many.FACTORY
    config = uvicorn.Config(
        several
        if workers > 1
        else create_app(settings, intake_only=intake_only, with_fold=False, when_ready=many.keep_what_stays),
        factory=workers > 1,
        workers=workers,
        http=_PROTOCOL if whole_requests else _PROTOCOL_FOR_ASGI,
        ws="none",
        host=host,
        port=settings.port if port is None else port,
        access_log=False,
        lifespan="on",
        forwarded_allow_ips=trusted_proxies,
        server_header=False,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
        timeout_worker_healthcheck=_HUNG_SECONDS,
    )
    # uvicorn raises the signal again once it has shut down; the fold has to be ended then, too.
    signal.signal(signal.SIGTERM, _exit)
    with FoldProcess(settings):
        if workers > 1:
            started = many.run(config, when_bound=lambda port: _print_link(host, port, secret))
        else:
            server = _Server(config, when_bound=lambda port: _print_link(host, port, secret))
            server.run()
            started = server.started
    if not started:
        raise typer.Exit(CANNOT_TELL)


def _check_log_directory(settings: Settings) -> None:
    """End the command if the ingest logs cannot be where they are to be."""
    try:
        settings.log_root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        fail(f"HPKP_LOG_DIR: {settings.log_root}: {error.strerror}")


def _exit(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


class _Server(uvicorn.Server):
    """uvicorn's, which also says at which port it answers: option 0 takes a free one."""

    def __init__(self, config: uvicorn.Config, *, when_bound: Callable[[int], None]) -> None:
        super().__init__(config)
        self._when_bound = when_bound

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        if self.started:
            self._when_bound(self.servers[0].sockets[0].getsockname()[1])


def _first_login(service: Service, host: str) -> str | None:
    """Return the secret of a log-in link if there is no token; on an address for others, end the command instead."""
    if service.tokens.exist(at=now()):
        return None
    if not _is_loopback(host):
        fail(
            f"refusing to listen on {host} without an API token. Create one with `hpkp token new NAME`, "
            "or serve reports alone with --intake-only."
        )
    return service.sessions.make_link(at=now()).secret


def _print_link(host: str, port: int, secret: str | None) -> None:
    """Print the log-in link, to standard error like the log."""
    if secret is not None:
        base = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        err.print("There is no API token yet. Log in to the pages by this link, once, within 15 minutes:", markup=False)
        err.print(login_address(base, secret), markup=False)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
