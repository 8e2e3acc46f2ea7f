"""Apps that pin: their releases, installs and hosts, and which releases are locked out."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from app.api.access import CanRead, ServiceDep
from app.api.problems import not_found
from app.hpkp.app_pins.lockout import Outcome
from app.service import now
from app.usecases.app_overview import REPORTED
from app.web.rendering import render

router = APIRouter(dependencies=[CanRead])

OUTCOMES: dict[Outcome, tuple[str, str]] = {
    Outcome.MATCHES: ("ready", "matches"),
    Outcome.EXPIRED: ("caution", "pins expired"),
    Outcome.SOME_PATHS: ("caution", "matches on some paths"),
    Outcome.WOULD_BE_LOCKED_OUT: ("caution", "would be locked out"),
    Outcome.UNKNOWN: ("unknown", "unknown"),
    Outcome.LOCKED_OUT: ("blocker", "locked out"),
}
"""Kind of badge and text for what a release does with the served chains."""


@router.get("/apps")
def list_apps(request: Request, service: ServiceDep) -> Response:
    """Show the registered apps by name."""
    apps = service.app_overviews.list(at=now())
    return render(request, "apps.html", apps=apps, days=REPORTED.days)


@router.get("/apps/{app}")
def show_app(request: Request, service: ServiceDep, app: Annotated[str, Path(max_length=200)]) -> Response:
    """Show the releases of an app, with their pins."""
    found = service.app_overviews.list(app=app, at=now())
    if not found:
        raise not_found("registered app", app)
    return render(request, "app.html", found=found[0], days=REPORTED.days, outcomes=OUTCOMES)
