"""The application: everything wired from the settings."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from app import __version__
from app.alerting import has_receivers
from app.api import (
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
    workshop,
)
from app.api.counted_until import WaitForFold
from app.api.openapi import describe_ingest
from app.api.reports import ReportEndpoint
from app.metrics import Metrics
from app.schedule import (
    keep_store_small,
    probe_what_is_due,
    prune_regularly,
    record_verdicts,
    rejudge_what_waits,
    send_alerts,
    send_canaries,
    watch_ingest,
)
from app.service import now, open_service
from app.settings import Settings
from app.web.rendering import show_problem
from app.web.routes import router as pages
from app.wiring import collecting

DESCRIPTION = """Receives HTTP public key pinning violation reports (RFC 7469), judges the certificate chains against
the pins that the operator expects, and says, with evidence, whether enforcing would be safe.

Counts are lower bounds: senders suppress repetitions (Chromium for 60 minutes, TrustKit for 24 hours)."""


_AT_THE_START = 1.0
"""Seconds for which violations are judged again before reports are taken: small stores are done by then."""


class Application(FastAPI):
    """FastAPI with the ingest path in front of all its layers, which cost more than taking a report does."""

    intake: ReportEndpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request to the ingest path, or to everything else."""
        await (self.intake if self.intake.takes(scope) else super().__call__)(scope, receive, send)


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
        service = open_service(chosen, app.state.metrics)
        app.state.service = service
        service.rejudging.run_if_knowledge_changed(at=now(), seconds=_AT_THE_START)
        regular = [
            asyncio.create_task(work(service))
            for work, interval in (
                (probe_what_is_due, chosen.probe_interval_hours),
                (prune_regularly, chosen.prune_interval_hours),
                (keep_store_small, chosen.store_bytes),
                (send_canaries, chosen.canary_interval_hours),
                (send_alerts, has_receivers(chosen)),
                (record_verdicts, chosen.verdict_interval_minutes),
            )
            if interval
        ]
        regular.append(asyncio.create_task(rejudge_what_waits(service)))
        regular.append(asyncio.create_task(watch_ingest(service)))
        try:
            async with collecting(service, with_fold=with_fold) as ingest:
                app.state.ingest = ingest
                when_ready()
                yield
                for task in regular:
                    task.cancel()
                await asyncio.gather(*regular, return_exceptions=True)
        finally:
            service.engine.dispose()

    app = Application(
        title="HPKP violation report collector",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None if intake_only else "/docs",
        redoc_url=None,
        openapi_url=None if intake_only else "/openapi.json",
    )
    app.state.metrics = Metrics()
    app.add_middleware(
        WaitForFold,
        watch=lambda: app.state.service.watch,
        submitted=lambda: app.state.ingest.commit.wait_for_submitted(),
    )
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
            workshop.router,
            violations.router,
            export.router,
            events.router,
            overflow.router,
            pages,
        ):
            app.include_router(router)
        describe_ingest(app)
    app.intake = ReportEndpoint(
        lambda: app.state.ingest.collector,
        max_body_bytes=chosen.max_body_bytes,
        max_body_seconds=chosen.max_body_seconds,
    )
    return app
