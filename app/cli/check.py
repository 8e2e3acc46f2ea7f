"""``hpkp check``: may this chain be deployed under the host's pins."""

from pathlib import Path
from typing import Annotated

import typer

from app.answers.deployment import deployment_answer
from app.cli.terminal import CANNOT_TELL, NO, JsonOption, fail, opened, out, print_json
from app.hpkp.deployment import DeploymentCheck, read_pem_chain
from app.hpkp.errors import HpkpError
from app.hpkp.hosts import canonical_host
from app.service import now

_EXIT = {True: 0, False: NO, None: CANNOT_TELL}
_WORDS = {True: "satisfies the expected pins", False: "does NOT satisfy the expected pins", None: "cannot tell"}


def check(
    host: Annotated[str, typer.Argument(help="The Pinned Host.", metavar="HOST")],
    chain: Annotated[
        Path, typer.Argument(help="The chain about to be deployed: PEM, leaf first; the root may be left out.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Say whether a chain satisfies the expected pins, and which pins that clients still remember it would break.

    Exit code 0: it does. 1: it does not, or it breaks pins that clients remember. 2: cannot tell, or an error. Made for
    certbot's --deploy-hook and for reload scripts.
    """
    try:
        name = canonical_host(host)
        elements = read_pem_chain(chain.read_bytes())
    except (HpkpError, OSError) as error:
        fail(f"{chain}: {error}")
    with opened() as service:
        checked = service.deployment.check(name, elements, at=now())
    if checked is None:
        fail(f"no policy covers {name}; set one with `hpkp policy set {name}`")
    policy_of, answer = checked
    if as_json:
        print_json(deployment_answer(name, policy_of, answer))
    else:
        _print(name, answer)
    raise typer.Exit(_EXIT[answer.deployable])


def _print(host: str, answer: DeploymentCheck) -> None:
    out.print(f"{host}: {_WORDS[answer.satisfied]}", markup=False, style="bold")
    out.print(f"  {answer.why}", markup=False)
    for pin in answer.matching:
        out.print(f"  pin      {pin}", markup=False)
    for remembered in answer.remembered:
        word = "satisfied" if remembered.satisfied else "BROKEN: clients that remember it are locked out"
        until = f"{remembered.until:%Y-%m-%d %H:%M} UTC"
        out.print(f"  former   revision {remembered.policy.revision}, remembered until {until}: {word}", markup=False)
    for caveat in answer.caveats:
        out.print(f"  note     {caveat}", markup=False)
