"""``hpkp serve``: take reports and answer questions over HTTP."""

import gc
import ipaddress
import socket
from typing import Annotated

import typer
import uvicorn

from app.cli.terminal import fail, opened, read_settings
from app.main import create_app
from app.store.secrets import any_token

_DRAIN_SECONDS = 20


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then keep what stays for ever out of every later garbage collection."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)


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
) -> None:
    """Run the service. Settings come from the environment (HPKP_…), see docs/operating.md.

    Without an API token, the API answers only connections from this machine that came through no proxy.
    """
    settings = read_settings()
    with opened(settings) as service:
        if not intake_only and not _is_loopback(host):
            with service.engine.connect() as connection:
                if not any_token(connection):
                    fail(
                        f"{host} can be reached from elsewhere and there is no API token. Make one with "
                        "`hpkp token new NAME`, or serve reports alone with --intake-only."
                    )
    server = _Server(
        uvicorn.Config(
            create_app(settings, intake_only=intake_only),
            host=host,
            port=port,
            access_log=False,
            lifespan="on",
            forwarded_allow_ips=trusted_proxies,
            server_header=False,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
        )
    )
    server.run()
    if not server.started:
        raise typer.Exit(1)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
