"""``hpkp header``: make the field to serve, and lint one that is served."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from app.answers.findings import lint_answer
from app.answers.headers import header_review_answer
from app.cli.findings import STYLE
from app.cli.policy import read_expected_pins
from app.cli.terminal import NO, JsonOption, err, fail, no_policy, opened, out, print_json, read_settings
from app.clock import now
from app.hpkp.errors import HpkpError
from app.hpkp.findings import Severity
from app.hpkp.header.field_lines import FieldValues, read_fields
from app.hpkp.header.lint import HeaderReview, Subject, lint_header
from app.hpkp.header.server_lines import ENFORCING, PLACE, REPORT_ONLY, Server, caution, for_server, server_line
from app.hpkp.header.value import PinningHeader
from app.hpkp.hosts import Host, canonical_host
from app.hpkp.pins import Pin
from app.hpkp.policy import Mode
from app.hpkp.x509.certificate import Chain, pins_of
from app.hpkp.x509.chain_files import read_chain_file
from app.hpkp.x509.pem import decode_text
from app.hpkp.x509.served_paths import find_served_paths

if TYPE_CHECKING:
    from app.hpkp.probe_result import ProbedHost

app = typer.Typer(help="Make and lint Public-Key-Pins fields.", no_args_is_help=True)

_ANSWER = {True: "acts on it", False: "ignores it"}


@app.command("make")
def make(
    pins: Annotated[list[str] | None, typer.Option("--pin", help="A pin; give it for each key.")] = None,
    pin_files: Annotated[
        list[Path] | None, typer.Option("--pin-file", help="A file with the key to pin, as for `hpkp pin`.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Take pins, max-age and the rest from this host's policy.")] = None,
    max_age: Annotated[int | None, typer.Option(min=0, help="Seconds for which clients cache the pins.")] = None,
    include_subdomains: Annotated[
        bool | None, typer.Option("--include-subdomains/--no-include-subdomains", help="Pins hold for subdomains.")
    ] = None,
    report_uri: Annotated[str | None, typer.Option(help="Where clients report to.")] = None,
    enforce: Annotated[
        bool | None,
        typer.Option("--enforce/--report-only", help="Which field; report-only unless the policy enforces."),
    ] = None,
    server: Annotated[Server, typer.Option("--for", help="The server whose line is wanted.")] = Server.TEXT,
    as_json: JsonOption = False,
) -> None:
    """Print the server configuration line for the header.

    What the server cannot carry in the report-uri is percent-encoded, and said. Doubts about the pins go to standard
    error; exit code 1 where the field would do nothing or harm.
    """
    try:
        given = tuple(expected.pin for expected in read_expected_pins(pins, pin_files, None))
        known, mode = _of_policy(host) if host is not None else (PinningHeader(()), Mode.REPORT_ONLY)
        wanted = PinningHeader(
            given or known.pins,
            known.max_age if max_age is None else max_age,
            known.include_subdomains if include_subdomains is None else include_subdomains,
            known.report_uri if report_uri is None else report_uri,
        )
        header = for_server(wanted, server)
        name = None if host is None else canonical_host(host)
    except (HpkpError, OSError) as error:
        fail(str(error))
    if not header.pins:
        fail("give --pin, --pin-file, or the --host of a policy")
    report_only = (mode is Mode.REPORT_ONLY) if enforce is None else not enforce
    review = _review((str(header),), report_only=report_only, host=name)
    line = server_line(header, server, report_only=report_only)
    minded = caution(header, server, report_only=report_only)
    encoded = header.report_uri != wanted.report_uri
    if as_json:
        print_json(
            {
                "server": server,
                "line": line,
                "place": PLACE[server],
                "caution": minded,
                "field": REPORT_ONLY if report_only else ENFORCING,
                "value": str(header),
                "report_uri_encoded": encoded,
                "findings": lint_answer(review.findings),
            }
        )
    else:
        typer.echo(line)
        err.print(f"Belongs {PLACE[server]}.", markup=False, style="dim")
        if minded is not None:
            err.print(f"warning: {minded}", markup=False)
        if encoded:
            err.print(f"The report-uri was percent-encoded, because {server} cannot carry it as it was.", markup=False)
        for finding in review.findings:
            err.print(f"{finding.severity.in_lint}: {finding.message} {finding.fix}", markup=False)
    if any(finding.severity is Severity.BLOCKER for finding in review.findings):
        raise typer.Exit(NO)


def _of_policy(host: str) -> tuple[PinningHeader, Mode]:
    with opened() as service:
        policy = service.policies.in_force(canonical_host(host), at=now())
    if policy is None:
        fail(no_policy(host))
    return PinningHeader.of_policy(policy), policy.mode


@app.command("lint")
def lint(
    what: Annotated[
        str, typer.Argument(help="A value, a file, - for stdin, or https://host to ask it.", metavar="WHAT")
    ],
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Read a bare value as that of the report-only field.")
    ] = False,
    chain: Annotated[Path | None, typer.Option(help="PEM file with the chain that the host serves.")] = None,
    host: Annotated[str | None, typer.Option(help="The host that serves the field.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a header against RFC 7469 and browsers.

    Response headers (curl -sI HOST | hpkp header lint -) and configuration of nginx, Apache, HAProxy, lighttpd, IIS and
    Caddy are searched for the field; each that is found is linted, and the answer says where it was found.

    Exit code 0: nothing wrong; 1: an error was found; 2: not understood.
    """
    try:
        live = _ask(what) if what.startswith(("https://", "http://")) else None
        fields = _served_fields(live) if live else _fields(what, report_only)
        asked = live.probe.host if live else None
        name = canonical_host(host) if host is not None else asked
        elements = _read_chain(chain) if chain is not None else _first_chain(live) if live else None
        paths = () if elements is None else _pins_on_paths(elements, name)
    except (HpkpError, OSError, ValueError) as error:
        fail(str(error))
    if not fields:
        fail(f"{'the response has' if live is None else f'{what} serves'} neither {ENFORCING} nor {REPORT_ONLY}", NO)
    reviews = [
        _review(found.values, report_only=found.field == REPORT_ONLY, host=name, paths=paths) for found in fields
    ]
    if as_json:
        documents = [header_review_answer(found, review) for found, review in zip(fields, reviews, strict=True)]
        print_json(documents[0] if len(documents) == 1 else documents)
    else:
        for found, review in zip(fields, reviews, strict=True):
            _print(found, review)
    if any(finding.severity is Severity.BLOCKER for review in reviews for finding in review.findings):
        raise typer.Exit(NO)


def _ask(url: str) -> ProbedHost:
    """Look at what a URL is answered with, at every address."""
    from app.catalog import load_known_certificates
    from app.hpkp.probe_result import describe_live
    from app.probe import ProbeOptions, probe

    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        fail("give https://host…: pins count over TLS alone (RFC 7469 section 2.2.2)")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    options = ProbeOptions(port=parts.port or 443, paths=(path,), private_addresses=True)
    seen = asyncio.run(probe(canonical_host(parts.hostname), options))
    settings = read_settings()
    known = load_known_certificates(settings.trust_anchors, settings.known_certificates)
    live = describe_live(seen, known)
    if not any(endpoint.answers for endpoint in seen.endpoints):
        faults = [f"{endpoint.address}: {fault}" for endpoint in seen.endpoints for fault in endpoint.faults]
        fail(f"{url} did not answer: {seen.fault or '; '.join(faults)}")
    if not live.chains[0].trusted:
        err.print("The chain served is not trusted here; browsers note no pins over it.", markup=False, style="yellow")
    return live


def _first_chain(live: ProbedHost) -> Chain:
    """Return the chain of the first address that showed one, whose fields are linted."""
    return next(chain for endpoint in live.probe.endpoints for chain in endpoint.chains)


def _served_fields(live: ProbedHost) -> tuple[FieldValues, ...]:
    """Return the fields of the first address that answered; where others differ, say so."""
    served = [
        tuple(
            FieldValues(field, values)
            for field, values in ((ENFORCING, answer.enforcing), (REPORT_ONLY, answer.report_only))
            if values
        )
        for endpoint in live.probe.endpoints
        for answer in endpoint.answers
    ]
    if any(other != served[0] for other in served):
        err.print("The addresses serve different fields; compare them with `hpkp probe`.", markup=False, style="yellow")
    return served[0]


def _fields(what: str, report_only: bool) -> tuple[FieldValues, ...]:
    """Return the fields of a text, a file or standard input."""
    if what == "-":
        text = decode_text(sys.stdin.buffer.read())
    elif len(what) < 1000 and Path(what).is_file():
        text = decode_text(Path(what).read_bytes())
    else:
        text = what
    return read_fields(text, report_only=report_only)


def _read_chain(path: Path) -> Chain:
    try:
        return read_chain_file(path.read_bytes())
    except HpkpError as error:
        raise HpkpError(f"{path}: {error}") from None


def _pins_on_paths(chain: Chain, host: Host | None) -> tuple[frozenset[Pin], ...]:
    """Return the pins of each path that clients build from a chain, the root completed; the likeliest first."""
    from app.catalog import load_known_certificates

    settings = read_settings()
    known = load_known_certificates(settings.trust_anchors, settings.known_certificates)
    served = find_served_paths(chain, known, host=host or "", at=now())
    return (pins_of(chain),) if served is None else served.pin_sets


def _review(
    values: tuple[str, ...], *, report_only: bool, host: Host | None, paths: tuple[frozenset[Pin], ...] = ()
) -> HeaderReview:
    from app.catalog.load import load_catalog

    catalog = load_catalog(read_settings().catalog)
    return lint_header(Subject(values, report_only, host, paths[0] if paths else None, catalog, paths[1:]))


def _print(found: FieldValues, review: HeaderReview) -> None:
    taken = "" if found.source is None else f", from the {found.source}"
    out.print(f"{found.field}{taken}", markup=False, style="bold")
    out.print(f"  RFC 7469   {review.conformance}", markup=False)
    out.print(f"  Chromium   {_ANSWER[review.chromium]}", markup=False)
    out.print(f"  Firefox    {_ANSWER[review.firefox]}", markup=False)
    for finding in review.findings:
        out.print(f"\n{finding.severity.in_lint:8} {finding.code}", markup=False, style=STYLE[finding.severity])
        out.print(f"         {finding.message}\n         {finding.fix}", markup=False)
