"""Texts of a verdict: titles of findings, what changed it, and numbers as they are printed everywhere."""

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from app.hpkp.judgement.causes import CAUSES, Cause
from app.hpkp.readiness.evidence import Verdict

VERDICTS = {
    Verdict.READY: "ready",
    Verdict.NOT_READY: "not ready",
    Verdict.NOT_ENOUGH_DATA: "not enough data",
}

TITLES: dict[str, str] = {
    "fewer_than_two_pins": "Fewer than two pins",
    "fewer_than_two_usable_pins": "Fewer than two usable pins",
    "example_pin": "Example pin in the policy",
    "known_bad_key": "Compromised key pinned",
    "captive_portal_key": "Captive portal key pinned",
    "retired_ca_key": "Retired CA key pinned",
    "departed_root_key": "Removed root pinned",
    "distrusted_root_key": "Distrusted root pinned",
    "rests_on_rotating_ca": "Only a CA intermediate is pinned",
    "max_age_missing": "No max-age",
    "max_age_too_long": "max-age over 60 days",
    "remembered_pins_broken": "Clients with cached pins are locked out",
    "new_pins_not_known_yet": "New pins have not reached all clients",
    "live_chain_not_seen": "Host not probed",
    "probe_too_old": "Last probe is too old",
    "host_not_reached": "Host unreachable",
    "address_not_reached": "Some addresses unreachable",
    "no_pin_in_live_chain": "Served certificate is not pinned",
    "pin_not_on_every_path": "Pin not on every path",
    "no_backup_pin": "No backup pin",
    "no_offline_backup": "No offline backup key",
    "intermediate_expires_soon": "Served intermediate expires soon",
    "live_leaf_for_another_name": "Certificate does not cover the host",
    "live_chain_out_of_date": "Certificate expired or not yet valid",
    "live_chain_not_trusted": "Served chain is not trusted",
    "leaf_expires_within_max_age": "Certificate expires before cached pins",
    "enforces_already": "Host already enforces",
    "header_unparseable": "Header cannot be parsed",
    "header_differs": "Header differs from the policy",
    "header_not_everywhere": "Header missing on some responses",
    "header_not_served": "Header not served",
    "only_control_served": "Only control pins served",
    "no_report_uri": "No report-uri in the policy",
    "locked_out_now": "Clients are locked out now",
    "release_locked_out": "App releases are locked out now",
    "release_would_be_locked_out": "Report-only releases without a served pin",
    "release_outcome_unknown": "Outcome for app releases unknown",
    "release_matches_some_paths": "Release pins are not on every path",
    "release_unprotected": "App releases with expired pins",
    "release_cannot_report": "App releases that cannot report",
    "release_reports_elsewhere": "App releases that report elsewhere",
    "release_pins_differ": "Reported pins differ from the registry",
    "release_not_registered": "App releases not registered",
    "clients_enforce_already": "Some clients already enforce",
    "report_uri_unreachable": "report-uri unreachable for clients",
    "subdomain_not_pinned": "Served subdomain certificate is not pinned",
    "subdomains_not_seen": "No subdomain was ever observed",
    "report_uri_on_pinned_host": "report-uri is on a pinned host",
    "too_few_covered_days": "Too few evidence days",
    "covered_days_too_old": "No recent evidence day",
    "clock_implausible": "Collector clock may be wrong",
    "canary_missing": "No canary report arrived",
    "canary_too_old": "Last canary report is too old",
    "decision_outgrown": "Closed violations count again",
    "control_exposure_unknown": "Control pin exposure unknown",
    "control_never_reported": "Control pins never reported",
    "control_reports_exceed_exposure": "More control reports than recipients",
    "evaluation_pending": "Violations waiting for re-evaluation",
    "left_out_as_ignored": "Reports from ignored networks excluded",
    "lockout_share_over_limit": "Lockout estimate over the limit",
    "lockout_share_not_bounded": "Too few clients to estimate lockout",
    "interception_share_over_limit": "TLS interception over the limit",
    "interception_share_not_bounded": "TLS interception may be over the limit",
    "unknown_share_over_limit": "Too many unknown outcomes",
    "reports_refused": "Rejected requests may be reports",
    "refused_left_out": "Rejected requests excluded by decision",
    "no_reports": "No reports",
}
"""Title of each finding. Few words: a headline holds one. Findings on open violations have their cause's title."""


def title_of(code: str) -> str:
    """Return the title of a finding; for a code that no rule gives any more, the code."""
    cause = code.removeprefix("open_")
    if cause != code and cause in list(Cause):
        return CAUSES[Cause(cause)].title
    return TITLES.get(code, code)


def describe_change(
    before: Mapping[str, str] | None, now: Mapping[str, str], *, revision: int, before_revision: int | None
) -> str:
    """Say what changed a verdict, by its findings' severities before and now, and the revisions of the policy."""
    if before is None:
        return "First verdict."
    changed = [code for code, severity in now.items() if before.get(code, severity) != severity]
    parts = (
        ("", [f"Policy changed to revision {revision}"] if revision != before_revision else []),
        ("New: ", [title_of(code) for code in now if code not in before]),
        ("Resolved: ", [title_of(code) for code in before if code not in now]),
        ("Severity changed: ", [f"{title_of(code)} (now {severity_name(now[code])})" for code in changed]),
    )
    changes = [f"{label}{'; '.join(titles)}." for label, titles in parts if titles]
    return " ".join(changes) or "Findings unchanged."


def severity_name(severity: str) -> str:
    """Return the word for a severity in texts; the code of a warning in answers and views is older."""
    return _SEVERITY_NAMES.get(severity, severity)


_SEVERITY_NAMES = {"caution": "warning"}


def at_most(share: float) -> str:
    """Write an upper bound in percent with two digits, rounded up: it never says less than it is."""
    return f"{_plain(Context(prec=2, rounding=ROUND_CEILING).create_decimal(Decimal(str(share)) * 100))}%"


def at_least(share: float) -> str:
    """Write a lower bound in percent with two digits, rounded down: it never says more than it is."""
    return f"{_plain(Context(prec=2, rounding=ROUND_FLOOR).create_decimal(Decimal(str(share)) * 100))}%"


def percent(share: float) -> str:
    """Write a share in percent with two digits."""
    return f"{_plain(Context(prec=2).create_decimal(Decimal(str(share)) * 100))}%"


def _plain(number: Decimal) -> str:
    """Write a decimal without an exponent and without zeros at its end."""
    return f"{number:f}".rstrip("0").rstrip(".") if "." in f"{number:f}" else f"{number:f}"


AS_OF = (
    "The verdict uses the policy, reports, statuses, exposure, canaries, and probes known at that time, with today's "
    "rules, limits, catalogs, and root stores."
)
"""What an answer for a time in the past rests on."""
