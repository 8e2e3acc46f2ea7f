"""The answer as text, for somebody who has never read RFC 7469: what to do first, then why, then what comes next."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.hpkp.findings import Finding, Severity
from app.hpkp.header.server_lines import PLACE, REPORT_ONLY, Server, for_server, server_line
from app.hpkp.policy import Mode, PinningPolicy
from app.hpkp.readiness import AudienceAnswer, Readiness, Verdict
from app.hpkp.readiness.plan import NextStep
from app.hpkp.readiness.words import AS_OF, VERDICTS, title_of


class Style(StrEnum):
    """What a line is; how that looks is the terminal's matter."""

    READY = "ready"
    NOT_READY = "not_ready"
    NOT_ENOUGH_DATA = "not_enough_data"
    HEADING = "heading"
    BLOCKER = "blocker"
    CAUTION = "caution"
    INFO = "info"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the answer."""

    text: str
    style: Style = Style.PLAIN


WORDS = (
    "pin: the fingerprint of a key. A client that remembers pins of a host refuses certificates with none of these "
    "keys.",
    "backup key: a key that is pinned and kept away from the server, for the day when the other is lost.",
    "report-only, enforce: clients only report what does not fit the pins; or they refuse the connection as well.",
    "max-age: for how many seconds clients remember pins that are enforced.",
    "violation: what clients reported in the same way, with a number; hpkp explain NUMBER shows it.",
)
"""The terms that cannot be avoided, for those who meet them the first time."""

_LABELS = {Severity.BLOCKER: "STOP", Severity.WARNING: "note", Severity.INFO: "info"}


def write_text(
    policy: PinningPolicy, answer: Readiness, *, at: datetime, server: Server = Server.TEXT, past: bool = False
) -> Iterator[Line]:
    """Write the whole answer; ``server`` chooses in whose configuration the next header is written."""
    yield Line(f"{policy.host}: {VERDICTS[answer.verdict]}", Style(answer.verdict.value))
    yield Line(answer.headline)
    if past:
        yield Line(f"As of {_moment(at)}. {AS_OF}", Style.INFO)
    yield from _list("Do now:", (f"{number}. {step}" for number, step in enumerate(answer.plan.do, 1)))
    if answer.findings:
        yield Line("")
        yield Line("Why:", Style.HEADING)
    for finding in answer.findings:
        yield from _finding(finding, told=finding.fix in answer.plan.do)
    yield from _list("Days that are evidence:", (line for known in answer.audiences for line in describe_days(known)))
    if answer.plan.next_step is not None:
        yield from _step(answer.plan.next_step, policy, answer.verdict, server)
    yield from _list("The way back:", answer.plan.rollback)
    yield from _list("Subdomains:", answer.plan.subdomains)
    yield from _list("Dates:", (f"{due.at:%Y-%m-%d}  {due.what}" for due in answer.plan.calendar))
    yield from _list("What the numbers do not say:", answer.estimate.caveats)
    yield from _list("Words:", WORDS)


def describe_days(known: AudienceAnswer) -> Iterator[str]:
    """Tell how many days are evidence for an audience, and what is missing on the others."""
    days = known.days
    last = "" if days.last is None else f", the last one {days.last}"
    clients = "" if days.clients is None else f"; {days.clients:,} {known.estimate.unit} on the busiest of them"
    yield f"{known.audience}: {len(days.covered)} of {known.needed_days}{last}{clients} ({VERDICTS[known.verdict]})"
    yield from (f"  {missing}" for missing in days.missing())


def _finding(finding: Finding, *, told: bool) -> Iterator[Line]:
    """Write a finding; what to do about it only where that does not stand above already."""
    label = "wait" if finding.withholds else _LABELS[finding.severity]
    yield Line(f"  {label}  {title_of(finding.code)} [{finding.code}]", Style(finding.severity.value))
    yield Line(f"        {finding.message}")
    if not told and finding.fix != "Nothing.":
        yield Line(f"        To do: {finding.fix}")


def _step(step: NextStep, policy: PinningPolicy, verdict: Verdict, server: Server) -> Iterator[Line]:
    yield Line("")
    when = "now" if verdict is Verdict.READY else f"not before {_moment(step.earliest)}"
    yield Line(f"The next step, {when}: pins are enforced and remembered for {_span(step)}.", Style.HEADING)
    replaced = f"in place of {REPORT_ONLY}" if policy.mode is Mode.REPORT_ONLY else "in place of the present one"
    yield Line(f"  The host sends this header ({PLACE[server]}), {replaced}:")
    yield Line(f"  {server_line(for_server(step.header, server), server, report_only=False)}")
    yield Line("  Only if:")
    for condition in step.conditions:
        yield Line(f"  - {condition}")


def _span(step: NextStep) -> str:
    seconds = step.policy.max_age or 0
    for name, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = seconds // length
            return f"{count} {name}{'s' * (count > 1)}"
    return f"{seconds} seconds"


def _list(title: str, items: Iterator[str] | tuple[str, ...]) -> Iterator[Line]:
    lines = [Line(f"  {item}") for item in items]
    if lines:
        yield Line("")
        yield Line(title, Style.HEADING)
        yield from lines


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
