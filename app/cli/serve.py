"""``hpkp serve``: take reports and answer questions over HTTP."""

import ipaddress
import signal
import sys
from types import FrameType
from typing import Annotated

import typer
import uvicorn

from app.cli import workers as many
from app.cli.fold_process import FoldProcess
from app.cli.terminal import fail, opened, read_settings
from app.main import create_app
from app.service import Service

_PROTOCOL = "app.api.report_protocol:ReportProtocol"
_DRAIN_SECONDS = 20
_HUNG_SECONDS = 30
"""A worker that gives no sign of life for so long is killed; one that starts on a busy machine may be slow."""


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
    intake_only: Annotated[
        bool, typer.Option("--intake-only", help="Serve nothing but /report and the health checks.")
    ] = False,
    trusted_proxies: Annotated[
        str,
        typer.Option(help="Proxies whose X-Forwarded-For names the client: addresses and networks, comma separated."),
    ] = "127.0.0.1,::1",
    workers: Annotated[int, typer.Option(min=1, help="Processes that serve.")] = 1,
    whole_requests: Annotated[
        bool, typer.Option(help="Answer reports that come whole in one read before ASGI, which takes less time.")
    ] = True,
) -> None:
    """Run the service. Settings come from the environment (HPKP_…), see docs/operating.md.

    Without an API token, the API answers only connections from this machine that came through no proxy.
    """
    settings = read_settings()
    with opened(settings, caught_up=False) as service:
        _refuse_what_cannot_be(service, host, intake_only=intake_only)
    several = many.INTAKE_FACTORY if intake_only else many.FACTORY
    config = uvicorn.Config(
        several
        if workers > 1
        else create_app(settings, intake_only=intake_only, with_fold=False, when_ready=many.keep_what_stays),
        factory=workers > 1,
        workers=workers,
        http=_PROTOCOL if whole_requests else "auto",
        host=host,
        port=port,
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
            started = many.run(config)
        else:
            server = uvicorn.Server(config)
            server.run()
            started = server.started
    if not started:
        raise typer.Exit(1)


def _exit(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _refuse_what_cannot_be(service: Service, host: str, *, intake_only: bool) -> None:
    if not intake_only and not _is_loopback(host) and not service.tokens.exist():
        fail(
            f"{host} can be reached from elsewhere and there is no API token. Make one with "
            "`hpkp token new NAME`, or serve reports alone with --intake-only."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
