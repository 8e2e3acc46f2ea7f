"""The verdict in words for somebody who has never read RFC 7469: titles of findings, and what changed a verdict."""

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
    "fewer_than_two_pins": "There is no pin of a backup key",
    "fewer_than_two_usable_pins": "Fewer than two pins are of any use",
    "example_pin": "A pin was copied from an example",
    "known_bad_key": "A pin is that of a compromised key",
    "captive_portal_key": "A pin is that of a captive portal's key",
    "retired_ca_key": "A pin is that of a CA's key which is no longer used",
    "departed_root_key": "A pin is that of a root which left the public store",
    "distrusted_root_key": "A pin is that of a root which is no longer trusted for new certificates",
    "rests_on_rotating_ca": "Everything rests on a CA's key that may change at any renewal",
    "max_age_missing": "The policy does not say for how long pins are remembered",
    "max_age_too_long": "Pins are remembered for longer than is wise",
    "remembered_pins_broken": "Clients that remember former pins are locked out",
    "new_pins_not_known_yet": "Not all clients know the new pins yet",
    "live_chain_not_seen": "What the host serves has not been looked at",
    "probe_too_old": "What the host serves has not been looked at lately",
    "host_not_reached": "The host could not be looked at",
    "address_not_reached": "Not every address of the host could be looked at",
    "no_pin_in_live_chain": "The host serves certificates in which no pin stands",
    "pin_not_on_every_path": "Some clients build a path without a pinned key",
    "no_backup_pin": "Every pin is in use, so none is left for an emergency",
    "no_offline_backup": "Every pinned key is in use on the host",
    "intermediate_expires_soon": "An intermediate certificate that is served expires soon",
    "live_leaf_for_another_name": "The host serves a certificate for another name",
    "live_chain_out_of_date": "The host serves a certificate that is not valid today",
    "live_chain_not_trusted": "The host serves certificates that lead to no root known here",
    "leaf_expires_within_max_age": "The certificate expires while clients still remember these pins",
    "enforces_already": "Browsers enforce the pins already",
    "header_unparseable": "The header is served in a form that clients ignore",
    "header_differs": "The header served says something else than the policy",
    "header_not_everywhere": "Some answers lack the header",
    "header_not_served": "The host does not serve the header",
    "only_control_served": "The host sends control pins to all",
    "no_report_uri": "Nothing says where clients are told to report",
    "locked_out_now": "Clients are locked out now",
    "clients_enforce_already": "Some clients enforce the pins already",
    "report_uri_unreachable": "Clients cannot reach the report-uri",
    "subdomains_not_seen": "The pins hold for names below that nobody has looked at",
    "report_uri_on_pinned_host": "Reports go to a host under the same pins",
    "observed_too_short": "These pins have not been observed for long enough",
    "exposure_unknown": "How many clients could have reported is not known",
    "exposure_too_small": "Too few clients could have reported",
    "exposure_has_gaps": "How many could have reported is not known for every day",
    "clients_not_counted": "Sessions were counted, and not how many clients they are of",
    "canary_missing": "Nothing proves that reports arrive",
    "canary_too_old": "Nothing proves that reports still arrive",
    "decision_outgrown": "What you closed is reported by many more, or is proven",
    "control_exposure_unknown": "How many clients received the control pins is not known",
    "control_never_reported": "No client reports the control pins",
    "control_reports_exceed_exposure": "More clients report the control pins than received them",
    "evaluation_pending": "Violations are still being re-evaluated",
    "left_out_as_ignored": "Reports from where you ignore the like do not count",
    "lockout_share_over_limit": "Too large a share of clients may be locked out",
    "lockout_share_not_bounded": "Too few clients to say that hardly any would be locked out",
    "interception_share_over_limit": "Many installs of the app are behind software that intercepts",
    "unknown_share_over_limit": "Of too many clients the reports do not tell",
    "reports_refused": "What was refused may hide reports",
    "refused_left_out": "What was refused does not count, by your decision",
    "no_reports": "No report has arrived",
}
"""What each finding is called; those on open violations are called as their causes are."""


def title_of(code: str) -> str:
    """Return what a finding is called; of a code that is not known any more, the code."""
    cause = code.removeprefix("open_")
    if cause != code and cause in list(Cause):
        return CAUSES[Cause(cause)].title
    return TITLES.get(code, code)


def describe_change(
    before: Mapping[str, str] | None, now: Mapping[str, str], *, revision: int, before_revision: int | None
) -> str:
    """Say what changed a verdict, by its findings' severities before and now, and the revisions of the policy."""
    if before is None:
        return "The first verdict."
    weightier = [code for code, severity in now.items() if before.get(code, severity) != severity]
    parts = (
        ("", [f"The policy was changed (revision {revision})"] if revision != before_revision else []),
        ("New: ", [title_of(code) for code in now if code not in before]),
        ("No more: ", [title_of(code) for code in before if code not in now]),
        ("Weighs otherwise: ", [f"{title_of(code)} (now a {now[code]})" for code in weightier]),
    )
    told = [f"{label}{'; '.join(titles)}." for label, titles in parts if titles]
    return " ".join(told) or "Nothing came or went."


def at_most(share: float) -> str:
    """Write an upper bound in percent with two digits, rounded up: it never says less than it is."""
    return f"{_plain(Context(prec=2, rounding=ROUND_CEILING).create_decimal(Decimal(str(share)) * 100))} %"


def at_least(share: float) -> str:
    """Write a lower bound in percent with two digits, rounded down: it never says more than it is."""
    return f"{_plain(Context(prec=2, rounding=ROUND_FLOOR).create_decimal(Decimal(str(share)) * 100))} %"


def percent(share: float) -> str:
    """Write a share in percent with two digits."""
    return f"{_plain(Context(prec=2).create_decimal(Decimal(str(share)) * 100))} %"


def _plain(number: Decimal) -> str:
    return f"{number:f}".rstrip("0").rstrip(".") if "." in f"{number:f}" else f"{number:f}"


AS_OF = (
    "This answer is for a past moment: it rests on the policy, reports, statuses, exposure, canaries and looks at the "
    "host that were known then, and on the rules, limits, catalogs and root stores of today."
)
"""What an answer for a past moment rests on."""
