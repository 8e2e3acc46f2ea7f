"""The application: everything wired from the settings."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from app import __version__
from app.api import (
    apps,
    check_routes,
    control,
    events,
    export,
    health,
    hosts,
    overflow,
    probes,
    problems,
    readiness,
    refusals,
    violations,
)
from app.api.connections import ConnectionLimits, Connections
from app.api.counted_until import ShowCountedUntil
from app.api.openapi import complete_document, name_operation
from app.api.reports import ReportEndpoint
from app.background_jobs import list_jobs, watch_ingest
from app.metrics import Metrics
from app.service import Service, now, open_service
from app.settings import Settings
from app.threads import wait_until_done
from app.upkeep.runner import Runner
from app.upkeep.status import figures_of, read_status
from app.web.rendering import show_problem
from app.web.routes import router as pages
from app.wiring import collecting

DESCRIPTION = """Receives HTTP public key pinning violation reports (RFC 7469), judges the certificate chains against
the pins that the operator expects, and says, with evidence, whether enforcing would be safe.

Counts are lower bounds: senders suppress repetitions (Chromium for 60 minutes, TrustKit for 24 hours)."""


_AT_THE_START = 1.0
"""Seconds for which violations are judged again before reports are taken: small stores are done by then."""


_REQUEST_BYTES = 1 << 20
"""Longest request in all, where that is not less than four reports: bodies may come in chunks of any size."""


class Application(FastAPI):
    """FastAPI with the ingest path in front of all its layers, which cost more than taking a report does."""

    intake: ReportEndpoint
    connections: Connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request to the ingest path, or to everything else."""
        await (self.intake if self.intake.takes(scope) else super().__call__)(scope, receive, send)


@asynccontextmanager
async def _background(service: Service) -> AsyncIterator[None]:
    """Run the background jobs; at the end, also that of a start that failed, none of their threads is left."""
    runner = Runner(list_jobs(service), service.settings.log_root)
    regular = [asyncio.create_task(runner.run()), asyncio.create_task(watch_ingest(service))]
    try:
        yield
    finally:
        for task in regular:
            task.cancel()
        for task in regular:
            await wait_until_done(task)


def create_app(
    settings: Settings | None = None,
    *,
    intake_only: bool = False,
    with_fold: bool = True,
    when_ready: Callable[[], None] = lambda: None,
) -> FastAPI:
    """Make the application. Without settings they are read from the environment; ``when_ready`` follows its start.

    It counts what it accepts in a thread, unless a process next to it does (``with_fold`` False).
    """
    chosen = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with closing(open_service(chosen, app.state.metrics)) as service:
            app.state.service = service
            service.record_public_url()
            service.rejudging.run_if_knowledge_changed(at=now(), seconds=_AT_THE_START)
            app.state.metrics.show_upkeep(lambda: figures_of(read_status(chosen.log_root)))
            async with _background(service), collecting(service, with_fold=with_fold) as ingest:
                app.state.ingest = ingest
                when_ready()
                yield

    app = Application(
        title="HPKP violation report collector",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None if intake_only else "/openapi.json",
        generate_unique_id_function=name_operation,
    )
    app.state.metrics = Metrics()
    app.add_middleware(ShowCountedUntil)
    problems.install(app, show=None if intake_only else show_problem)
    app.include_router(health.probes)
    if not intake_only:
        for router in (
            health.metrics,
            hosts.router,
            readiness.router,
            refusals.router,
            control.router,
            probes.router,
            check_routes.router,
            apps.router,
            violations.router,
            export.router,
            events.router,
            overflow.router,
            pages,
        ):
            app.include_router(router)
        complete_document(app)
    app.intake = ReportEndpoint(
        lambda: app.state.ingest.collector,
        max_body_bytes=chosen.max_body_bytes,
        max_body_seconds=chosen.max_body_seconds,
    )
    app.connections = Connections(
        ConnectionLimits(
            most=chosen.max_connections,
            most_per_address=chosen.max_connections_per_address,
            head_seconds=chosen.max_head_seconds,
            idle_seconds=chosen.max_idle_seconds,
            body_seconds=chosen.max_body_seconds,
            request_bytes=max(_REQUEST_BYTES, 4 * chosen.max_body_bytes),
        ),
        count_closed=app.state.metrics.count_closed,
        show_open=app.state.metrics.show_connections,
    )
    return app
