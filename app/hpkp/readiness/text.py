"""The answer as text: the verdict, what to do first, why, and what comes next; more of each on request."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from app.hpkp.findings import Finding, Severity
from app.hpkp.header.server_lines import ENFORCING, PLACE, REPORT_ONLY, Server, for_server, server_line
from app.hpkp.policy import Mode, PinningPolicy
from app.hpkp.readiness import AudienceAnswer, Readiness, ReleaseAnswer, Verdict
from app.hpkp.readiness.brief import brief
from app.hpkp.readiness.messages import AS_OF, VERDICTS, title_of
from app.hpkp.readiness.plan import NextStep
from app.hpkp.readiness.release_rules import describe_installs
from app.hpkp.wording import count, describe_duration


class Style(StrEnum):
    """What a line is; the terminal decides how it looks."""

    READY = "ready"
    NOT_READY = "not_ready"
    NOT_ENOUGH_DATA = "not_enough_data"
    HEADING = "heading"
    BLOCKER = "blocker"
    WARNING = "warning"
    INFO = "info"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the answer."""

    text: str
    style: Style = Style.PLAIN


GLOSSARY = (
    "pin: SHA-256 of a public key; clients accept only chains that contain a pinned key.",
    "backup key: pinned, kept offline, used if the live key is lost.",
    "report-only, enforce: clients only report a chain without a pinned key; or they also refuse the connection.",
    "max-age: how long clients cache pins that are enforced, in seconds.",
    "violation: all reports of the same failure, with an ID; `hpkp explain ID` shows it.",
)
"""Terms of the answer, for readers who see them for the first time."""

_VERDICTS = {Verdict.READY: "READY", Verdict.NOT_READY: "NOT READY", Verdict.NOT_ENOUGH_DATA: "NOT ENOUGH DATA"}
_STYLES = {Severity.BLOCKER: Style.BLOCKER, Severity.WARNING: Style.WARNING, Severity.INFO: Style.INFO}


def write_text(
    policy: PinningPolicy,
    answer: Readiness,
    *,
    at: datetime,
    server: Server = Server.TEXT,
    past: bool = False,
    verbose: bool = False,
) -> Iterator[Line]:
    """Write the answer: verdict, what to do, why, and what comes next.

    ``server`` chooses in whose configuration the next header is written. ``verbose`` adds each finding in full, the
    evidence days, the next step before its time, and what the numbers mean.
    """
    ready = answer.verdict is Verdict.READY
    yield Line(f"{policy.host}: {_VERDICTS[answer.verdict]} {_for_what(policy)}", Style(answer.verdict.value))
    yield Line("No blockers and no missing evidence." if answer.reason is None else answer.reason)
    yield Line(answer.impact)
    if past:
        yield Line(f"Verdict as of {_moment(at)}. {AS_OF}", Style.INFO)
    yield from _list("What to do:", (f"{number}. {step}" for number, step in enumerate(answer.plan.do, 1)))
    yield from _summary(answer)
    if answer.plan.next_step is not None and ready:
        yield from _step(answer.plan.next_step, policy, answer.verdict, server)
    yield Line("")
    if answer.plan.rollback:
        yield Line(f"Rollback: {' '.join(answer.plan.rollback)}")
    if answer.plan.calendar:
        yield Line(
            f"Upcoming dates: {'; '.join(f'{due.at:%Y-%m-%d} {_inline(due.what)}' for due in answer.plan.calendar)}"
        )
    if verbose:
        yield from _details(policy, answer, server)
    else:
        yield Line("More: --verbose shows each finding in full, evidence days, and what the numbers mean.", Style.INFO)


def _for_what(policy: PinningPolicy) -> str:
    """Say for what the verdict is: to enforce, for the next step, or while pins are removed."""
    if policy.mode is Mode.REPORT_ONLY:
        return "to enforce"
    return "for the next max-age step" if policy.max_age != 0 else "while its pins are removed (max-age=0)"


def _inline(sentence: str) -> str:
    """Write a sentence as an item of a list in a line."""
    return sentence[0].lower() + sentence[1:].removesuffix(".")


def _summary(answer: Readiness) -> Iterator[Line]:
    """List the findings by what they mean for the verdict, one line each; information is only counted."""
    # Each finding in one group: a blocker that withholds as well is a blocker.
    missing = [finding for finding in answer.findings if finding.withholds and finding.severity is not Severity.BLOCKER]
    groups = {
        "Blockers:": [finding for finding in answer.findings if finding.severity is Severity.BLOCKER],
        "Missing evidence:": missing,
        "Warnings:": [f for f in answer.findings if f.severity is Severity.WARNING and not f.withholds],
    }
    shown = [finding for findings in groups.values() for finding in findings]
    if shown or answer.findings:
        yield Line("")
    # One width for all groups, so that the columns stay in line.
    titles = max((len(title_of(finding.code)) for finding in shown), default=0)
    codes = max((len(finding.code) for finding in shown), default=0)
    for heading, findings in groups.items():
        if findings:
            yield Line(heading, Style.HEADING)
        for finding in findings:
            facts = brief(finding, answer.thresholds)
            line = f"  {title_of(finding.code):{titles}}  {finding.code:{codes}}  {facts}".rstrip()
            yield Line(line, _STYLES[finding.severity])
    # Titles alone: information decides nothing, and --verbose has the rest.
    if info := [finding for finding in answer.findings if finding.severity is Severity.INFO]:
        yield Line(f"For information: {', '.join(title_of(finding.code) for finding in info)}", Style.INFO)
    if answer.also_reported is not None:
        yield Line(answer.also_reported, Style.INFO)


def _details(policy: PinningPolicy, answer: Readiness, server: Server) -> Iterator[Line]:
    """Write what a reader needs only for a question."""
    if answer.findings:
        yield Line("")
        yield Line("Findings:", Style.HEADING)
    blocked = answer.verdict is Verdict.NOT_READY
    for finding in answer.findings:
        # The plan has the fixes of what decides; they are not printed twice.
        planned = finding.severity is Severity.BLOCKER if blocked else finding.withholds
        yield from _finding(finding, planned=planned)
    yield from _list("Evidence days:", (line for known in answer.audiences for line in describe_days(known)))
    yield from _list("App releases:", (describe_release(found) for found in answer.releases))
    if answer.plan.next_step is not None and answer.verdict is not Verdict.READY:
        yield from _step(answer.plan.next_step, policy, answer.verdict, server)
    yield from _list("Subdomains:", answer.plan.subdomains)
    yield from _list("About these numbers:", answer.estimate.caveats)
    yield from _list("Glossary:", GLOSSARY)


def describe_release(found: ReleaseAnswer) -> str:
    """Give the verdict for a release in a line, with its installs and the reason."""
    installs = describe_installs(found.check.installs)
    return f"{found.check.release}: {VERDICTS[found.verdict]}; {installs}. {found.reason}"


def describe_days(known: AudienceAnswer) -> Iterator[str]:
    """Count the evidence days of an audience, and say what is missing on the others."""
    days = known.days
    last = "" if days.last is None else f", last {days.last}"
    clients = "" if days.clients is None else f", {days.clients:,} {known.estimate.unit} on the peak day"
    have = f"{count(len(days.covered), 'day')} ({known.needed_days:,} required)"
    yield f"{known.audience}: {have}{last}{clients}: {VERDICTS[known.verdict]}"
    yield from (f"  {missing}" for missing in days.missing())


def _finding(finding: Finding, *, planned: bool) -> Iterator[Line]:
    """Write a finding in full; its fix only if it is not among the steps of the plan."""
    label = "MISSING" if finding.withholds and finding.severity is not Severity.BLOCKER else finding.severity.name
    yield Line(f"  {label:8} {title_of(finding.code)} [{finding.code}]", _STYLES[finding.severity])
    yield Line(f"           {finding.message}")
    if not planned and not finding.fix.startswith("No action needed"):
        yield Line(f"           Fix: {finding.fix}")


def _step(step: NextStep, policy: PinningPolicy, verdict: Verdict, server: Server) -> Iterator[Line]:
    """Write the next step: when, the header in the server's configuration, and its conditions."""
    yield Line("")
    when = "now" if verdict is Verdict.READY else f"not before {_moment(step.earliest)}"
    span = describe_duration(timedelta(seconds=step.policy.max_age or 0))
    yield Line(f"Next step ({when}): enforce with max-age {span}.", Style.HEADING)
    replaced = (
        f"Replace {REPORT_ONLY} with" if policy.mode is Mode.REPORT_ONLY else f"Replace the current {ENFORCING} with"
    )
    yield Line(f"  {replaced} ({PLACE[server]}):")
    yield Line(f"  {server_line(for_server(step.header, server), server, report_only=False)}")
    yield Line("  Conditions:")
    for condition in step.conditions:
        yield Line(f"  - {condition}")


def _list(title: str, items: Iterator[str] | tuple[str, ...]) -> Iterator[Line]:
    """Write a title and its items; nothing without items."""
    lines = [Line(f"  {item}") for item in items]
    if lines:
        yield Line("")
        yield Line(title, Style.HEADING)
        yield from lines


def _moment(at: datetime) -> str:
    """Write a time, UTC."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
