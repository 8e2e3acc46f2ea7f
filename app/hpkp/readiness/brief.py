"""The facts of a finding in a few words: what a list of findings shows next to the title."""

from collections.abc import Iterator, Mapping

from app.hpkp.findings import Finding
from app.hpkp.readiness.evidence import Thresholds
from app.hpkp.readiness.messages import at_most, percent
from app.hpkp.wording import count, name_first

_LIMITS = {
    "lockout_share_over_limit": "lockout_share",
    "lockout_share_not_bounded": "lockout_share",
    "interception_share_over_limit": "interception_share",
    "interception_share_not_bounded": "interception_share",
    "unknown_share_over_limit": "lockout_share",
}
"""The threshold that each finding on a share compares with."""

_PLAIN = {
    "address": "",
    "target": "",
    "report_uri": "",
    "until": "until ",
    "not_after": "",
    "probed_at": "",
    "canary_received_at": "",
    "last_covered_day": "last: ",
    "day": "",
}
"""Facts that are short enough as they are, with what precedes them."""


def brief(finding: Finding, limits: Thresholds) -> str:
    """Return the facts of a finding for one line; empty if the title says it all."""
    facts = finding.evidence
    audience = facts.get("audience", "the site")
    whose = "" if audience == "the site" else f"{audience}: "
    return whose + "; ".join(_facts(finding.code, facts, limits))


def _facts(code: str, facts: Mapping[str, object], limits: Thresholds) -> Iterator[str]:
    """Yield the facts of a finding by the shape of its evidence, the first shape that fits."""
    # By shape and not by code, so that a new finding with known facts needs no entry here.
    match facts:
        case {"covered_days": int(have), "needed_days": int(needed)}:
            yield f"{have} of {count(needed, 'day')}, complete on {str(facts.get('earliest'))[:10]} at the earliest"
        case {"clients": int(clients), "of": int(of), "upper_percent": float() | int() as upper}:
            yield f"{percent(min(clients / max(of, 1), 1))}, at most {at_most(round(upper / 100, 8))} (95% confidence)"
        case {"violations": [*ids], "reports": int(reports)}:
            which = "violation" if len(ids) == 1 else "violations"
            yield f"at least {count(reports, 'report')} ({which} {name_first(ids)})"
        # `evaluation_pending` counts violations and names none.
        case {"violations": int(waiting)}:
            yield count(waiting, "violation")
        case {"reports": int(reports), "networks": int(networks)}:
            yield f"at least {count(reports, 'request')} from about {count(networks, 'network')}"
        case {"addresses": [*addresses]} if addresses:
            yield name_first(addresses)
        case {"subdomains": [*names]}:
            yield name_first(names)
        case {"addresses": {**faults}}:
            yield name_first(faults)
        case {"answers": [*answers]} if answers:
            yield name_first(answers[:1]) + (f" (+{len(answers) - 1} more)" if len(answers) > 1 else "")
        case {"releases": [*releases]}:
            yield name_first(map(_describe_release, releases))
        case {"pins": [*pins]}:
            yield name_first(pins)
        case {"pins": int(pins)}:
            yield count(pins, "pin")
        case {"pin": str(pin)}:
            yield pin
        case _:
            yield from (
                f"{before}{str(facts[name])[:16].replace('T', ' ')}" for name, before in _PLAIN.items() if name in facts
            )
    if (limit := _LIMITS.get(code)) is not None:
        yield f"limit {percent(getattr(limits, limit))}"


def _describe_release(facts: object) -> str:
    """Name a release with its installs: ``com.example.shop 1.0 (3,410 of 284,000 installs)``."""
    match facts:
        case {"app": app, "version": version, "installs": int(installs), "of": int(of)}:
            return f"{app} {version} ({installs:,} of {of:,} installs)"
        case {"app": app, "version": version}:
            return f"{app} {version}"
    return str(facts)
