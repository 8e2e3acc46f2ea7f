"""Background jobs: when each last ran, when it last failed, and why."""

from fastapi import APIRouter, Request, Response

from app.api.access import CanRead, ServiceDep
from app.store.engine import from_ms
from app.upkeep.status import read_status
from app.web.rendering import render

router = APIRouter(dependencies=[CanRead])


@router.get("/upkeep")
def show_upkeep(request: Request, service: ServiceDep) -> Response:
    """Show the status of every background job that is on."""
    jobs = read_status(service.settings.log_root)
    return render(request, "upkeep.html", jobs=jobs, from_ms=from_ms)
