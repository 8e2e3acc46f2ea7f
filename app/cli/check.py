"""``hpkp check``: may this chain be deployed under the host's pins."""

from pathlib import Path
from typing import Annotated

import typer

from app.answers.deployment import deployment_answer
from app.cli.release_checks import print_lines
from app.cli.terminal import CANNOT_TELL, NO, JsonOption, fail, opened, out, print_json
from app.clock import now
from app.hpkp.deployment_text import write_deployment
from app.hpkp.errors import HpkpError
from app.hpkp.hosts import canonical_host
from app.hpkp.x509.chain_files import read_chain_file

_EXIT = {True: 0, False: NO, None: CANNOT_TELL}


def check(
    host: Annotated[str, typer.Argument(help="The Pinned Host.", metavar="HOST")],
    chain: Annotated[
        Path,
        typer.Argument(help="The chain about to be deployed, leaf first: PEM, DER or PKCS #7."),
    ],
    accept_some_paths: Annotated[
        bool, typer.Option("--accept-some-paths", help="Exit code 0 for a match on only some paths, too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a chain against the pins before you deploy it.

    Does it match the expected pins, and which clients would it lock out? Clients are those with cached pins of earlier
    revisions, and the releases of apps that `hpkp app import` registered, with their installs. Exit code 0: it does,
    and locks out none. 1: it does not, or it locks out a release in use or clients with cached pins. 2: unknown, or an
    error; also if pins match on only some of the paths that clients may build, unless --accept-some-paths is given.
    Made for certbot's --deploy-hook and for reload scripts.
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
    may_deploy = answer.may_deploy(accept_some_paths=accept_some_paths)
    if as_json:
        print_json(deployment_answer(name, policy_of, answer))
    else:
        text = write_deployment(name, answer)
        out.print(text.answer, markup=False, style="bold")
        out.print(text.policy, markup=False)
        print_lines(text.lines)
        if answer.deployable is None and may_deploy:
            out.print("Exit code 0: --accept-some-paths accepts the matches on only some paths.", markup=False)
    raise typer.Exit(_EXIT[may_deploy])
