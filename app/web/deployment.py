"""The deployment question: which clients a chain would lock out, answered before it is served."""

from fastapi import APIRouter, Request, Response

from app.api.access import CanRead, ServiceDep
from app.api.hosts import HostPath
from app.api.problems import ProblemError
from app.api.workshop import read_sent_chain
from app.hpkp.deployment_text import DeploymentText, Grade, write_deployment
from app.hpkp.hosts import Host
from app.service import now
from app.web.forms import OwnForm
from app.web.rendering import render

router = APIRouter(dependencies=[CanRead])

GRADES = {Grade.GOOD: "ready", Grade.UNKNOWN: "unknown", Grade.BAD: "blocker", Grade.UNUSED: "info"}
"""Kind of badge for the grade of a line."""
_ANSWERS = {True: "ready", False: "blocker", None: "unknown"}


@router.get("/hosts/{host}/check")
def ask(request: Request, host: HostPath) -> Response:
    """Show the field for a chain."""
    return _show(request, host)


@router.post("/hosts/{host}/check")
def check(request: Request, service: ServiceDep, host: HostPath, form: OwnForm) -> Response:
    """Check the chain that was pasted; nothing of it is kept."""
    typed = form["chain"]
    try:
        chain = read_sent_chain(typed.encode())
    except ProblemError as error:
        # A private key is not written back into the page.
        shown = "" if "PRIVATE KEY" in typed else typed
        return _show(request, host, typed=shown, mistake=f"Invalid chain: {error.problem.detail}", status=422)
    checked = service.deployment.check(host, chain, at=now())
    if checked is None:
        mistake = f"No policy covers {host}, and no registered release pins it, so there is nothing to check against."
        return _show(request, host, typed=typed, mistake=mistake, status=422)
    policy_of, found = checked
    return _show(
        request,
        host,
        typed=typed,
        text=write_deployment(host, found),
        kind=_ANSWERS[found.deployable],
        policy_of=policy_of,
    )


def _show(
    request: Request,
    host: Host,
    *,
    typed: str = "",
    mistake: str | None = None,
    text: DeploymentText | None = None,
    kind: str = "",
    policy_of: str | None = None,
    status: int = 200,
) -> Response:
    return render(
        request,
        "deployment.html",
        status=status,
        host=host,
        typed=typed,
        mistake=mistake,
        text=text,
        kind=kind,
        policy_of=policy_of,
        grades=GRADES,
    )
