"""``hpkp check``: may this chain be deployed under the host's pins."""

from pathlib import Path
from typing import Annotated

import typer

from app.answers.deployment import deployment_answer
from app.cli.release_checks import print_release_checks
from app.cli.terminal import CANNOT_TELL, NO, JsonOption, fail, opened, out, print_json
from app.clock import now
from app.hpkp.deployment import DeploymentCheck
from app.hpkp.errors import HpkpError
from app.hpkp.hosts import canonical_host
from app.hpkp.x509.chain_files import read_chain_file

_EXIT = {True: 0, False: NO, None: CANNOT_TELL}
_WORDS = {True: "satisfies the expected pins", False: "does NOT satisfy the expected pins", None: "UNKNOWN"}


def check(
    host: Annotated[str, typer.Argument(help="The Pinned Host.", metavar="HOST")],
    chain: Annotated[
        Path,
        typer.Argument(help="The chain about to be deployed, leaf first: PEM, DER or PKCS #7."),
    ],
    as_json: JsonOption = False,
) -> None:
    """Check a chain against the pins before you deploy it.

    Does it match the expected pins, and which clients would it lock out? Clients are those with cached pins of earlier
    revisions, and the releases of apps that `hpkp app import` registered, with their installs. Exit code 0: it does,
    and locks out none. 1: it does not, or it locks out a release in use or clients with cached pins. 2: unknown, or an
    error. Made for certbot's --deploy-hook and for reload scripts.
    """
    name = canonical_host(host)
    try:
        elements = read_chain_file(chain.read_bytes())
    except HpkpError as error:
        fail(f"{chain}: {error}")
    except OSError as error:
        fail(f"{chain}: {error.strerror}")
    with opened() as service:
        checked = service.deployment.check(name, elements, at=now())
    if checked is None:
        fail(
            f"no policy covers {name}, and no registered release pins it; set a policy with `hpkp policy set {name}`, "
            "or register releases with `hpkp app import`"
        )
    policy_of, answer = checked
    if as_json:
        print_json(deployment_answer(name, policy_of, answer))
    else:
        _print(name, answer)
        print_release_checks(answer.releases)
    raise typer.Exit(_EXIT[answer.deployable])


def _print(host: str, answer: DeploymentCheck) -> None:
    satisfied = _WORDS[answer.satisfied] if answer.has_policy else "has no policy"
    out.print(f"{host}: {satisfied}", markup=False, style="bold")
    if answer.has_policy:
        out.print(f"  {answer.why}", markup=False)
    for pin in answer.matching:
        out.print(f"  pin      {pin}", markup=False)
    for remembered in answer.remembered:
        word = "satisfied" if remembered.satisfied else "BROKEN: clients that remember it are locked out"
        until = f"{remembered.until:%Y-%m-%d %H:%M} UTC"
        out.print(f"  former   revision {remembered.policy.revision}, remembered until {until}: {word}", markup=False)
    for caveat in answer.caveats:
        out.print(f"  note     {caveat}", markup=False)
