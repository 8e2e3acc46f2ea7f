"""``hpkp probe``: what a host serves, at every address, and how that stands towards its policy."""

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.tree import Tree

from app.answers.findings import finding_answer
from app.cli.findings import print_findings
from app.cli.terminal import (
    CANNOT_TELL,
    NO,
    JsonOption,
    fail,
    no_policy,
    opened,
    out,
    print_json,
    print_tree,
    read_settings,
)
from app.clock import now
from app.hpkp.hosts import canonical_host
from app.hpkp.policy import PinningPolicy
from app.hpkp.probe_result import Endpoint, Probe, ProbedHost, review_live, satisfied
from app.hpkp.x509.certificate import Certificate, Element, why_unreadable

_EXIT = {True: 0, False: NO, None: CANNOT_TELL}
_WORDS = {True: "as the policy says", False: "NOT as the policy says", None: "unknown"}


def probe(
    host: Annotated[str, typer.Argument(help="A host with a policy.", metavar="HOST")],
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="The port, else HPKP_PROBE_PORT.")] = None,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Connect to addresses that are not public too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare what a host serves with its policy.

    Connects to every address, with the host's name in the TLS handshake, and records the result for the verdict.
    Exit code 0: no difference. 1: differences. 2: some addresses unreachable, no policy, or an error.
    """
    settings = read_settings(**({"probe_private_addresses": True} if allow_private else {}))
    with opened(settings) as service:
        name = canonical_host(host)
        looked = asyncio.run(service.probing.probe(name, port=port, at=now()))
        control_pins = service.policies.control_pins_of(name)
    if looked is None:
        fail(no_policy(name))
    policy, live = looked
    findings = review_live(policy, live, control_pins=control_pins)
    answer = satisfied(findings)
    if as_json:
        print_json(
            {**serialize(live.probe, policy), "satisfied": answer, "findings": list(map(finding_answer, findings))}
        )
    else:
        _print(policy, live)
        out.print(f"{name}: {_WORDS[answer]}", markup=False, style="bold")
        print_findings(findings)
    raise typer.Exit(_EXIT[answer])


def serialize(seen: Probe, policy: PinningPolicy) -> dict[str, Any]:
    """Return a look at a host as plain JSON values."""
    return {
        "host": seen.host,
        "port": seen.port,
        "at": seen.at,
        "fault": seen.fault,
        "endpoints": [
            {
                "address": endpoint.address,
                "chains": [[_plain(element, policy) for element in chain] for chain in endpoint.chains],
                "answers": list(map(asdict, endpoint.answers)),
                "faults": endpoint.faults,
            }
            for endpoint in seen.endpoints
        ],
    }


def _plain(element: Element, policy: PinningPolicy) -> dict[str, Any]:
    item: dict[str, Any] = {
        "pin": None if element.pin is None else str(element.pin),
        "in_expected_pins": element.pin in policy.expected,
    }
    if isinstance(element, Certificate):
        item |= {"subject": element.subject, "issuer": element.issuer, "not_after": element.not_after}
    unreadable = why_unreadable(element)
    return item if unreadable is None else item | {"unreadable": unreadable}


def _print(policy: PinningPolicy, live: ProbedHost) -> None:
    seen = live.probe
    tree = Tree(f"[bold]{escape(seen.host)}[/bold] port {seen.port}, {seen.at:%Y-%m-%d %H:%M:%S} UTC")
    for endpoint in seen.endpoints:
        _draw(tree, endpoint, policy)
    print_tree(tree)


def _draw(tree: Tree, endpoint: Endpoint, policy: PinningPolicy) -> None:
    branch = tree.add(f"[bold]{escape(endpoint.address)}[/bold]")
    for chain in endpoint.chains:
        served = branch.add("served chain")
        for element in chain:
            mark = "[green]pinned[/green]    " if element.pin in policy.expected else "[dim]not pinned[/dim]"
            what = element.subject if isinstance(element, Certificate) else f"unreadable: {element.reason}"
            until = (
                f"until {element.not_after:%Y-%m-%d}" if isinstance(element, Certificate) and element.not_after else ""
            )
            served.add(f"{mark} {escape(str(element.pin))}  {escape(what)}  {until}")
    for answer in endpoint.answers:
        fields = [f"Public-Key-Pins: {value}" for value in answer.enforcing]
        fields += [f"Public-Key-Pins-Report-Only: {value}" for value in answer.report_only]
        told = branch.add(f"{answer.status} {escape(answer.path)}{'' if fields else '  no pinning field'}")
        for text in fields:
            told.add(escape(text))
    for fault in endpoint.faults:
        branch.add(f"[red]{escape(fault)}[/red]")
