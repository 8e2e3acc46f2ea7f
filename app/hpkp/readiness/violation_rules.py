"""Rules on what was reported: open violations by cause, and how large a share of clients they would lock out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.hpkp.audience import Audience
from app.hpkp.clients import NOBODY, ClientCount
from app.hpkp.control import Delivery, upper_share_of_all
from app.hpkp.exposure import Unit
from app.hpkp.findings import Finding, Severity
from app.hpkp.judgement.causes import ALARMING, BEARING, CAUSES, Bearing, Cause, bearing_of, fix_of
from app.hpkp.policy import Mode
from app.hpkp.readiness.evidence import Group, LockedOut, OpenViolation, Situation
from app.hpkp.readiness.ignore_rules import FEW
from app.hpkp.readiness.words import at_least, at_most, percent
from app.hpkp.wording import count, name_first

_SEVERITY = {Bearing.BLOCKS: Severity.BLOCKER, Bearing.CAUTION: Severity.WARNING, Bearing.INFO: Severity.INFO}
_SHOWN = 20
_NAMED = 6
_VERY_FEW = 3
"""One person easily sends from this many networks."""


def locked_out(case: Situation) -> Iterator[Finding]:
    """Report first who is locked out now, and what ends it: max-age for browsers, an update for apps."""
    who = case.evidence.locked_out
    if not who:
        return
    locked = [violation for violation in case.evidence.open_violations if violation.locked_out_now]
    # Outdated pins come with a former revision; the policy's own max-age would only move the date on, day by day.
    until = case.caches_end(former_only=all(violation.cause is Cause.STALE_KNOWN_PINS for violation in locked))
    ends = "" if until is None else f" ({until:%Y-%m-%d %H:%M} UTC at the latest)"
    fixes = ["Serve a chain with a key that these clients pin: it ends the lockout of all of them."]
    if any(one.pins_in_app is False for one in who):
        fixes.append(f"Without it, browsers stay locked out until max-age has passed{ends}.")
    if apps := [one for one in who if one.pins_in_app]:
        fixes.append(
            "Apps keep their pins until they are updated: release an update with the current pins for "
            f"{', '.join(_program(one) for one in apps[:_NAMED])}."
        )
    if any(one.pins_in_app is None for one in who):
        # Nothing says whether such a client has its pins from a header or in its own configuration.
        fixes.append(
            f"Clients of unknown kind stay locked out until max-age has passed{ends}, or, if they are programs with "
            "pins, until they are updated."
        )
    fixes.append(f"When the lockout has ended, run `hpkp violation status {_ids(locked)} --set resolved`.")
    yield Finding(
        "locked_out_now",
        Severity.BLOCKER,
        f"Clients that enforce pins are locked out now: {', '.join(map(_locked_out, who[:_NAMED]))}"
        + (f" and {len(who) - _NAMED} more." if len(who) > _NAMED else "."),
        " ".join(fixes),
        _evidence(locked)
        | {
            "audiences": [
                {"app": one.app, "app_version": one.app_version, "reports": one.reports, "installs": one.installs}
                for one in who[:_SHOWN]
            ]
        },
    )


def _locked_out(one: LockedOut) -> str:
    """Name who is locked out, with reports and, of a release, installs."""
    installs = "" if one.installs is None else f" from {count(one.installs, 'install')}"
    return f"{_program(one)} ({count(one.reports, 'report')}{installs})"


def _program(one: LockedOut) -> str:
    """Name a release, or the kind of client if its reports name none."""
    if named := f"{one.app} {one.app_version}".strip():
        return named
    return {False: "browsers", True: "apps without a name", None: "clients of unknown kind"}[one.pins_in_app]


def enforcing_clients(case: Situation) -> Iterator[Finding]:
    """Report clients that say they enforce although the policy is report-only."""
    # By the word of the reports: clients can still enforce an earlier header while the policy only reports.
    enforcing = [violation for violation in case.evidence.open_violations if violation.enforced]
    if case.policy.mode is Mode.REPORT_ONLY and enforcing:
        yield Finding(
            "clients_enforce_already",
            Severity.WARNING,
            f"The policy is report-only, but clients say that they enforce the pins. {_reported(enforcing)}.",
            f"Find out which releases or earlier headers enforce (`hpkp explain {enforcing[0].id}`) before you change "
            "keys: a change may lock these clients out.",
            _evidence(enforcing),
        )


def open_violations(case: Situation) -> Iterator[Finding]:
    """Open violations, by what their cause means."""
    by_cause: dict[Cause, list[OpenViolation]] = {}
    for violation in case.evidence.open_violations:
        by_cause.setdefault(violation.cause, []).append(violation)
    for cause, violations in sorted(by_cause.items()):
        # One client that is locked out is enough: it makes the finding on all violations of its cause a blocker.
        locks_out = any(violation.locks_out for violation in violations)
        severity = _SEVERITY[bearing_of(cause, locks_out=locks_out)]
        # A warning and no blocker: the pin may have matched.
        if severity is Severity.INFO and cause is Cause.MATCHES_EXPECTED and _open_question(violations):
            severity = Severity.WARNING
        networks = case.evidence.networks.get(cause)
        yield Finding(
            f"open_{cause}",
            severity,
            f"{CAUSES[cause].meaning} {_reported(violations)}{_origin(cause, networks)}.{_again(violations)}",
            _fix(case, cause, violations, networks),
            _evidence(violations) | ({} if networks is None else {"networks": networks}),
        )


def _open_question(violations: list[OpenViolation]) -> bool:
    """Whether some client's path is unknown: then a pin in the served chain does not prove that it matched."""
    # None counts as open: unknown is not the same as not locked out.
    return any(violation.locks_out is not False for violation in violations)


def _reported(violations: Sequence[OpenViolation]) -> str:
    """Count the reports of violations, and name those with the most."""
    reports = sum(violation.reports for violation in violations)
    which = "violation" if len(violations) == 1 else "violations"
    return f"At least {count(reports, 'report')} ({which} {name_first(_most_reported(violations))})"


def _most_reported(violations: Sequence[OpenViolation]) -> list[int]:
    """Return the IDs of violations, those with the most reports first."""
    return [v.id for v in sorted(violations, key=lambda violation: (-violation.reports, violation.id))]


def _ids(violations: Sequence[OpenViolation]) -> str:
    """Write the IDs as arguments of a command; a command that names some of many has an ellipsis."""
    return name_first(_most_reported(violations), separator=" ")


def _again(violations: Sequence[OpenViolation]) -> str:
    """Report what was resolved but is not: reports of a fixed violation arrive for some days, and then stop."""
    # It counts again from the first report on, because late reports and a fix that failed look the same.
    again = [(violation.id, violation.resolved_at) for violation in violations if violation.resolved_at is not None]
    if not again:
        return ""
    number, since = again[0]
    more = f" (+{len(again) - 1} more)" if len(again) > 1 else ""
    return (
        f" Violation {number}{more} was resolved on {since:%Y-%m-%d %H:%M} UTC but reported again. Late reports are "
        "normal for a few days; if they continue, it is not fixed. Set it to resolved again when reports stop."
    )


def _origin(cause: Cause, networks: int | None) -> str:
    """Name the number of networks if it is small and the cause matters: such reports may be forged."""
    if networks is None or networks >= FEW or BEARING[cause] is Bearing.INFO:
        return ""
    # A targeted attack has few victims, so few networks are no sign of a forgery there.
    doubt = ", so they may be forged" if networks <= _VERY_FEW and cause not in ALARMING else ""
    return f", from only {count(networks, 'network')}{doubt}"


def _fix(case: Situation, cause: Cause, violations: Sequence[OpenViolation], networks: int | None) -> str:
    """Say what to do about all violations of a cause, the one with the most reports first."""
    fix = fix_of(cause, _most_reported(violations))
    live = case.evidence.live
    # The leaf's pin is on every path (RFC 7469 section 2.6), so it ends this cause for good.
    if cause is Cause.OTHER_TRUST_PATH and live is not None and (leaves := live.leaf_pins - case.policy.expected):
        fix += f" Pin of your leaf key: {', '.join(sorted(map(str, leaves)))}."
    # Only where one decision ends it: with all eight places full there may be networks that it does not cover.
    if BEARING[cause] is Bearing.BLOCKS and cause not in ALARMING and networks is not None and networks < FEW:
        fix += (
            f" If the reports are forged: `hpkp violation status {_ids(violations)} --set ignored`. This also excludes "
            "later reports of the same cause from the same networks."
        )
    if cause in ALARMING and networks is not None and networks < FEW:
        fix += (
            " If the root is in no public store and the reports are forged: `hpkp violation status "
            f"{_ids(violations)} --set ignored`."
        )
    return fix


def reopened(case: Situation) -> Iterator[Finding]:
    """Report what counts although the operator closed it: it has outgrown the decision, or cannot be forged."""
    if violations := [violation for violation in case.evidence.open_violations if violation.reopened]:
        yield Finding(
            "decision_outgrown",
            Severity.WARNING,
            f"{_reported(violations)} count again: you set them, or others of the same cause and networks, to "
            f"{' or '.join(sorted({violation.reopened for violation in violations}))}, but now more than three times "
            "as many clients report them, their cause means something else than then, or their certificates prove that "
            "they are not forged.",
            f"Review them (`hpkp explain {_most_reported(violations)[0]}`). If your decision still applies: `hpkp "
            f"violation status {_ids(violations)} --set expected`, or `--set ignored` unless they are proven.",
            _evidence(violations),
        )


def evaluation(case: Situation) -> Iterator[Finding]:
    """Require current judgements: a violation that waits for re-evaluation may have any cause."""
    if waiting := case.evidence.unevaluated:
        yield Finding(
            "evaluation_pending",
            Severity.WARNING,
            f"{count(waiting, 'violation')} must be re-evaluated since the policy, the catalogs, or the rules changed.",
            "Wait until the collector has re-evaluated them, or run `hpkp rejudge`.",
            {"violations": waiting},
            withholds=True,
        )


def left_out(case: Situation) -> Iterator[Finding]:
    """Report what does not count because all its networks are ignored for the same cause."""
    # Shown, because an honest client behind the same networks is not counted on that cause either.
    if violations := case.evidence.left_out:
        causes = ", ".join(sorted({violation.cause.value for violation in violations}))
        yield Finding(
            "left_out_as_ignored",
            Severity.INFO,
            f"{_reported(violations)} come only from networks whose {causes} reports you ignore. They count as soon as "
            "another network reports one.",
            "No action needed. To include them, set the ignored violation back to open.",
            _evidence(violations),
        )


def _evidence(violations: Sequence[OpenViolation]) -> dict[str, object]:
    """Return the facts of violations, with as many IDs as a finding lists."""
    return {
        "violations": [violation.id for violation in violations[:_SHOWN]],
        "violation_count": len(violations),
        "reports": sum(violation.reports for violation in violations),
    }


def lockout_share(case: Situation) -> Iterator[Finding]:
    """Bound the share of each audience that configuration errors would lock out, by its upper 95% bound."""
    limit = case.limits.lockout_share
    for share in _shares(case, Group.OURS):
        # The upper bound and not the share: with few clients a share of zero shows little.
        if share.upper <= limit:
            continue
        # Only what was reported blocks. What the measured delivery rate alone takes over the limit is missing evidence
        # (decision record 28).
        if share.clients and share.upper_of_reports > limit:
            yield Finding(
                "lockout_share_over_limit",
                Severity.BLOCKER,
                f"Configuration errors would lock out at least {share.clients.at_least:,} of {share}, and at most "
                f"{at_most(share.upper)} of them (95% confidence{_delivered(share)}). Limit: {percent(limit)}.",
                _fix_group(case, Group.OURS),
                share.as_evidence() | _ids_of(case, Group.OURS),
            )
        else:
            yield Finding(
                "lockout_share_not_bounded",
                Severity.WARNING,
                f"{_errors(share)} among {share}; that only bounds the lockout at {at_most(share.upper)} (95% "
                f"confidence{_delivered(share)}). Limit: {percent(limit)}.",
                "Wait for more exposure, or raise HPKP_MAX_LOCKOUT_PERCENT deliberately.",
                share.as_evidence(),
                withholds=True,
            )


def _errors(share: "_Share") -> str:
    """Say how many clients reported a configuration error."""
    if not share.clients:
        return "No configuration error"
    return f"Configuration errors reported by at least {count(share.clients.at_least, 'client')}"


def _fix_group(case: Situation, group: Group) -> str:
    """Name the violations of a group to fix, the most reported first."""
    ids = _most_reported(_of_group(case, group))
    which = "violation" if len(ids) == 1 else "violations"
    return (
        f"Correct the cause of {which} {name_first(ids) or 'ID'}, then run `hpkp violation status "
        f"{name_first(ids, separator=' ') or 'ID'} --set resolved`."
    )


def _ids_of(case: Situation, group: Group) -> dict[str, object]:
    """Return the violations of a group as facts of a finding."""
    ids = _most_reported(_of_group(case, group))
    return {"violations": ids[:_SHOWN], "violation_count": len(ids)}


def _delivered(share: "_Share") -> str:
    """Say by what the bound is divided; nothing if the share of clients that report was not measured."""
    if share.delivery is None:
        return ""
    return f"; only {at_least(share.delivery.lower)} of clients are known to report, measured with control pins"


def interception_share(case: Situation) -> Iterator[Finding]:
    """Bound the share of app clients behind TLS interception; browsers accept installed roots, apps do not.

    Without a measured delivery rate it is the share that reported: the upper bound of a small audience of which nobody
    reported interception is over the limit, and nothing but a larger audience would end that.
    """
    limit = case.limits.interception_share
    accept = (
        "If locking them out is acceptable: `hpkp violation status "
        f"{_ids(_of_group(case, Group.INTERCEPTION)) or 'ID'} --set expected`, or raise "
        "HPKP_MAX_INTERCEPTION_PERCENT. If not, contact the proxy operators first."
    )
    for share in _shares(case, Group.INTERCEPTION):
        if share.reported > limit:
            yield Finding(
                "interception_share_over_limit",
                Severity.BLOCKER,
                f"At least {share.clients.at_least:,} of {share} ({percent(share.met)}) use the app behind a proxy or "
                "security product; enforcing would lock them out. Upper bound: "
                f"{at_most(share.upper)} (95% confidence). Limit: {percent(limit)}.",
                accept,
                share.as_evidence() | _ids_of(case, Group.INTERCEPTION),
            )
        elif share.reported_of_all > limit:
            yield Finding(
                "interception_share_not_bounded",
                Severity.WARNING,
                f"At least {share.clients.at_least:,} of {share} ({percent(share.met)}) report that they use the app "
                "behind a proxy or security product. With those that do not report it may be "
                f"{at_most(share.reported_of_all)}{_delivered(share)}. Limit: {percent(limit)}.",
                accept,
                share.as_evidence() | _ids_of(case, Group.INTERCEPTION),
                withholds=True,
            )


def unknown_share(case: Situation) -> Iterator[Finding]:
    """Bound the share of clients for which it is unknown whether enforcing would lock them out."""
    # The limit for lockouts, because each of these clients may be locked out.
    limit = case.limits.lockout_share
    unknown = _most_reported(_of_group(case, Group.UNKNOWN))
    for share in _shares(case, Group.UNKNOWN):
        if share.reported_of_all > limit:
            yield Finding(
                "unknown_share_over_limit",
                Severity.WARNING,
                f"For at least {share.clients.at_least:,} of {share} ({percent(share.met)}), reports do not show "
                f"whether enforcing would lock them out{_delivered(share)}. Limit: {percent(limit)}.",
                f"Inspect them (`hpkp explain {next(iter(unknown), 'ID')}`), then set those you can explain to "
                f"expected or ignored: `hpkp violation status {name_first(unknown, separator=' ') or 'ID'} --set "
                "expected`.",
                share.as_evidence() | _ids_of(case, Group.UNKNOWN),
                withholds=True,
            )


def _of_group(case: Situation, group: Group) -> list[OpenViolation]:
    """Return the open violations whose clients are counted in a group."""
    return [violation for violation in case.evidence.open_violations if violation.group is group]


@dataclass(frozen=True, slots=True)
class _Share:
    """Clients of a group among those of an audience on its busiest covered day."""

    clients: ClientCount
    of: int
    audience: Audience
    delivery: Delivery | None

    def __str__(self) -> str:
        """Name those of whom it is a share."""
        return f"{self.of:,} {unit_of(self.audience)}" + ("" if self.audience.is_site else f" of {self.audience}")

    @property
    def met(self) -> float:
        """The share that certainly reported."""
        return min(self.clients.at_least / max(self.of, 1), 1.0)

    @property
    def reported(self) -> float:
        """The share that reported, by the most that they may be: it errs on the careful side."""
        return min(self.clients.at_most / max(self.of, 1), 1.0)

    @property
    def reported_of_all(self) -> float:
        """The same with those that would have reported if every client did, by the measured share of those that do."""
        if self.delivery is None or not self.clients:
            return self.reported
        return min(self.reported / self.delivery.lower, 1.0) if self.delivery.lower > 0 else 1.0

    @property
    def upper(self) -> float:
        """The upper 95% bound of the share, those that do not report included."""
        return upper_share_of_all(self.clients.at_most, self.of, self.delivery)

    @property
    def upper_of_reports(self) -> float:
        """The same if every client reports."""
        return upper_share_of_all(self.clients.at_most, self.of, None)

    def as_evidence(self) -> dict[str, object]:
        """Return the numbers."""
        numbers = {"clients": self.clients.at_least, "clients_at_most": self.clients.at_most, "of": self.of}
        return {"audience": str(self.audience)} | numbers | {"upper_percent": round(100 * self.upper, 6)}


def unit_of(audience: Audience) -> Unit:
    """Return what the clients of an audience are called."""
    return Unit.CLIENTS if audience.is_site else Unit.INSTALLS


def _shares(case: Situation, group: Group) -> Iterator[_Share]:
    """Return the share of a group in each audience; without a covered day the total is unknown."""
    for known in case.audiences:
        # Without a covered day `covered_days` withholds already.
        if known.clients is not None:
            reported = case.evidence.clients.get(known.audience, {})
            met, delivery = reported.get(group, NOBODY), case.delivery_of(known.audience)
            yield _Share(met, known.clients, known.audience, delivery)
