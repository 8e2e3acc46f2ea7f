"""The policy editor: it shows what the typed pins would do before they are saved."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.api.access import Caller, CallerDep, CanRead, ServiceDep
from app.api.hosts import HostPath
from app.api.problems import not_found
from app.hpkp.errors import InvalidPolicy
from app.hpkp.findings import Finding, Severity
from app.hpkp.header.lint import Subject, lint_header
from app.hpkp.header.value import PinningHeader
from app.hpkp.hosts import Host, is_address
from app.hpkp.pins import Pin
from app.hpkp.policy import Mode, PinningPolicy
from app.hpkp.what_if import WhatIf
from app.service import Service, now
from app.web.forms import OwnForm, require_change
from app.web.policy_form import Mistakes, PolicyForm, add_pin, fill_from_header, read_policy, write_policy
from app.web.rendering import HEADERS, address, render
from app.web.server_lines import ServerLine, write_lines

router = APIRouter(dependencies=[CanRead])

_REPLAYED = timedelta(days=90)
_ORDER = {Severity.BLOCKER: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True, slots=True)
class Check:
    """What is to be said of a policy before it is saved. ``outcome`` is None where no policy is in force yet."""

    findings: list[Finding]
    lines: list[ServerLine]
    chains: int
    """Chains that the last look at the host saw, against which the header was held."""
    outcome: WhatIf | None
    replayed: timedelta = _REPLAYED

    @property
    def errors(self) -> int:
        """How many findings say that it should not be served as it is."""
        return sum(finding.severity is Severity.BLOCKER for finding in self.findings)


@router.get("/hosts/{host}/policy")
def edit(
    request: Request, service: ServiceDep, host: HostPath, add: Annotated[str, Query(max_length=120)] = ""
) -> Response:
    """Show the fields with the policy in force, and with one more pin if a link names one; nothing is saved."""
    policy = service.policies.in_force(_pinnable(host), at=now())
    typed = PolicyForm() if policy is None else write_policy(policy)
    return _show(request, host, policy, add_pin(typed, add))


@router.post("/hosts/{host}/policy")
def check_or_save(request: Request, service: ServiceDep, host: HostPath, caller: CallerDep, form: OwnForm) -> Response:
    """Check, fill the fields from a header, save, or withdraw, as the button says."""
    at = now()
    policy = service.policies.in_force(_pinnable(host), at=at)
    typed = PolicyForm.of(form.values)
    match form["action"]:
        case "fill":
            filled, mistakes = fill_from_header(typed)
            return _show(request, host, policy, filled, mistakes)
        case "withdraw":
            require_change(caller)
            return _withdraw(service, host, at, caller)
        case "save":
            require_change(caller)
    read = read_policy(host, typed)
    if not isinstance(read, PinningPolicy):
        return _show(request, host, policy, typed, read)
    checked = check(service, read, at=at)
    if form["action"] != "save" or (checked.errors and not form["all_the_same"]):
        return _show(request, host, policy, typed, checked=checked, held_back=form["action"] == "save")
    try:
        service.policies.set(read, at=at, actor=caller.name)
    except InvalidPolicy as error:
        return _show(request, host, policy, typed, {"effective_from": f"{error}."})
    return RedirectResponse(address(f"/hosts/{host}", done="policy"), 303, headers=HEADERS)


def _pinnable(host: Host) -> Host:
    if is_address(host):
        raise InvalidPolicy("an IP address cannot be a Pinned Host (RFC 7469 section 2.3.1)")
    return host


def _show(
    request: Request,
    host: Host,
    policy: PinningPolicy | None,
    typed: PolicyForm,
    mistakes: Mistakes | None = None,
    *,
    checked: Check | None = None,
    held_back: bool = False,
) -> Response:
    return render(
        request,
        "policy.html",
        status=422 if mistakes else 200,
        host=host,
        policy=policy,
        typed=typed,
        mistakes=mistakes or {},
        checked=checked,
        held_back=held_back,
    )


def _withdraw(service: Service, host: Host, at: datetime, caller: Caller) -> Response:
    if service.policies.withdraw(host, at=at, actor=caller.name) is None:
        raise not_found("policy in force for", host)
    return RedirectResponse(address(f"/hosts/{host}", done="withdrawn"), 303, headers=HEADERS)


def check(service: Service, policy: PinningPolicy, *, at: datetime) -> Check:
    """Hold a policy against the standard, against what the host was seen to serve, and against what was reported."""
    header, report_only = PinningHeader.of_policy(policy), policy.mode is Mode.REPORT_ONLY
    live = service.last_probes.find(policy.host)
    chains = {chain.pins for chain in live.chains} if live else set()
    against: set[frozenset[Pin] | None] = {*chains} or {None}

    def lint(chain: frozenset[Pin] | None) -> tuple[Finding, ...]:
        subject = Subject((str(header),), report_only, policy.host, chain, service.catalog)
        return lint_header(subject).findings

    found = dict.fromkeys(finding for chain in against for finding in lint(chain))
    return Check(
        findings=sorted(
            (finding for finding in found if finding.code != "chain_not_given"),  # the page says so itself
            key=lambda finding: _ORDER[finding.severity],
        ),
        lines=write_lines(header, report_only=report_only),
        chains=len(chains),
        outcome=service.what_if.replay(
            policy.host,
            [expected.pin for expected in policy.pins],
            policy.own_keys,
            since=at - _REPLAYED,
            at=at,
        ),
    )
