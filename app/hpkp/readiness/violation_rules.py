"""Rules on what was reported: open violations by cause, and how large a share of clients they would lock out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.hpkp.clients import NOBODY, ClientCount
from app.hpkp.control import Delivery, upper_share_of_all
from app.hpkp.deployment import remembered_revisions
from app.hpkp.exposure import Population
from app.hpkp.findings import Finding, Severity
from app.hpkp.judgement.causes import ALARMING, BEARING, CAUSES, Bearing, Cause, bearing_of
from app.hpkp.policy import Mode
from app.hpkp.readiness.evidence import Group, LockedOut, OpenViolation, Situation
from app.hpkp.readiness.sources import FEW
from app.hpkp.readiness.words import at_least, at_most, percent

_SEVERITY = {Bearing.BLOCKS: Severity.BLOCKER, Bearing.CAUTION: Severity.WARNING, Bearing.INFO: Severity.INFO}
_SHOWN = 20
_VERY_FEW = 3
"""One person easily sends from so many networks."""


def locked_out(case: Situation) -> Iterator[Finding]:
    """Tell first who is locked out now, and what ends it: max-age for browsers, an update for apps."""
    who = case.evidence.locked_out
    if not who:
        return
    locked = [violation for violation in case.evidence.open_violations if violation.locked_out_now]
    releases = [one for one in who if one.app]
    browsers = sum(one.reports for one in who if not one.app)
    named = [*([f"browsers ({browsers:,} reports)"] if browsers else []), *map(_release, releases[:5])]
    more = f" and {len(releases) - 5} more releases" if len(releases) > 5 else ""
    fixes = ["Serve a chain with a key that they pin: that lets all of them in at once."]
    if browsers:
        until = max((until for _, until in remembered_revisions(case.history, case.at)), default=case.at + case.max_age)
        fixes.append(
            f"Otherwise browsers stay locked out until max-age has passed, {until:%Y-%m-%d %H:%M} UTC at most."
        )
    if releases:
        fixes.append(
            "Apps keep their pins: max-age ends nothing for them, only an update with the present pins does. Release "
            f"one for {', '.join(f'{one.app} {one.app_version}'.strip() for one in releases[:5])}."
        )
    fixes.append(
        f"When it has ended: hpkp mark {' '.join(str(violation.id) for violation in locked[:5])} --as resolved."
    )
    yield Finding(
        "locked_out_now",
        Severity.BLOCKER,
        f"Clients that enforce pins are locked out now: {', '.join(named)}{more}.",
        " ".join(fixes),
        _evidence(locked)
        | {
            "audiences": [
                {"app": one.app, "app_version": one.app_version, "reports": one.reports, "installs": one.installs}
                for one in who[:_SHOWN]
            ]
        },
    )


def _release(one: LockedOut) -> str:
    installs = "" if one.installs is None else f" of {one.installs:,} installs"
    return f"{one.app} {one.app_version}".strip() + f" ({one.reports:,} reports{installs})"


def enforcing_clients(case: Situation) -> Iterator[Finding]:
    """Tell of clients that say they enforce although the policy is report-only."""
    enforcing = [violation for violation in case.evidence.open_violations if violation.enforced]
    if case.policy.mode is Mode.REPORT_ONLY and enforcing:
        yield Finding(
            "clients_enforce_already",
            Severity.WARNING,
            f"The policy is report-only, but clients say that they enforce the pins. {_reported(enforcing)}.",
            "Find out which releases or earlier headers enforce: hpkp explain "
            f"{enforcing[0].id}. Until then every change of keys may lock them out.",
            _evidence(enforcing),
        )


def open_violations(case: Situation) -> Iterator[Finding]:
    """Open violations, by what their cause means."""
    by_cause: dict[Cause, list[OpenViolation]] = {}
    for violation in case.evidence.open_violations:
        by_cause.setdefault(violation.cause, []).append(violation)
    for cause, violations in sorted(by_cause.items()):
        locks_out = any(violation.locks_out for violation in violations)
        severity = _SEVERITY[bearing_of(cause, locks_out=locks_out)]
        if severity is Severity.INFO and cause is Cause.MATCHES_EXPECTED and _open_question(violations):
            severity = Severity.WARNING
        most = max(violations, key=lambda violation: (violation.reports, -violation.id)).id
        networks = case.evidence.networks.get(cause)
        yield Finding(
            f"open_{cause}",
            severity,
            f"{CAUSES[cause].meaning} {_reported(violations)}{_whence(cause, networks)}.{_again(violations)}",
            _fix(case, cause, most, networks),
            _evidence(violations) | ({} if networks is None else {"networks": networks}),
        )


def _open_question(violations: list[OpenViolation]) -> bool:
    """Whether some client's path is not known: then a pin in the served chain does not say that it is let in."""
    return any(violation.locks_out is not False for violation in violations)


def _reported(violations: Sequence[OpenViolation]) -> str:
    reports = sum(violation.reports for violation in violations)
    ids = ", ".join(str(violation.id) for violation in violations[:3]) + (", …" if len(violations) > 3 else "")
    which = f"violation {ids}" if len(violations) == 1 else f"{len(violations)} violations ({ids})"
    return f"Reported at least {reports} time(s), as {which}"


def _again(violations: Sequence[OpenViolation]) -> str:
    """Tell what was resolved and is not: reports of what was mended come in for some days, and then no more."""
    again = [(violation.id, violation.resolved_at) for violation in violations if violation.resolved_at is not None]
    if not again:
        return ""
    number, since = again[0]
    more = f" (and {len(again) - 1} more)" if len(again) > 1 else ""
    return (
        f" Violation {number}{more} was set to resolved on {since:%Y-%m-%d %H:%M} UTC and reported again since. Some "
        "senders report days late; if it goes on, it is not mended. Set it to resolved once more when it has ended."
    )


def _whence(cause: Cause, networks: int | None) -> str:
    """Tell from how few networks it came, where it weighs: what few report may be made up, and may be real."""
    if networks is None or networks >= FEW or BEARING[cause] is Bearing.INFO:
        return ""
    doubt = ", so they may be real or made up by somebody" if networks <= _VERY_FEW and cause not in ALARMING else ""
    return f", from {networks} network(s) only{doubt}"


def _fix(case: Situation, cause: Cause, violation: int, networks: int | None) -> str:
    """Say what to do, beginning with the violation that was reported most."""
    fix = CAUSES[cause].fix.format(violation=violation)
    live = case.evidence.live
    if cause is Cause.OTHER_TRUST_PATH and live is not None and (leaves := live.leaf_pins - case.policy.expected):
        fix += f" The pin of your certificate's key: {', '.join(sorted(map(str, leaves)))}."
    if BEARING[cause] is Bearing.BLOCKS and cause not in ALARMING and networks is not None and networks < FEW:
        fix += (
            f" If you are sure that it is made up: hpkp mark {violation} --as ignored; further reports of the kind "
            "from there then do not count."
        )
    if cause in ALARMING and networks is not None and networks < FEW:
        fix += (
            f" If its root is in no public store and you are sure that the reports are forged: hpkp mark {violation} "
            "--as ignored."
        )
    return fix


def reopened(case: Situation) -> Iterator[Finding]:
    """Tell what counts although the operator closed it: it has outgrown the decision, or cannot be made up."""
    if violations := [violation for violation in case.evidence.open_violations if violation.reopened]:
        numbers = " ".join(str(violation.id) for violation in violations[:5])
        yield Finding(
            "decision_outgrown",
            Severity.WARNING,
            f"{_reported(violations)}: you set these, or others of the same cause and networks, to "
            f"{' or '.join(sorted({violation.reopened for violation in violations}))}, and they count again. More than "
            "three times as many clients report them as then, or their certificates prove that nobody made them up.",
            f"Look at them again (hpkp explain {violations[0].id}). If your decision stands for what is reported now: "
            f"hpkp mark {numbers} --as expected, or --as ignored unless they are proven.",
            _evidence(violations),
        )


def evaluation(case: Situation) -> Iterator[Finding]:
    """Rest on judgements of the present alone: what is still to be judged again may be anything."""
    if waiting := case.evidence.unevaluated:
        yield Finding(
            "evaluation_pending",
            Severity.WARNING,
            f"{waiting:,} violation{'' if waiting == 1 else 's'} still to re-evaluate since the policy, the catalogs "
            "or the rules changed.",
            "Wait until the service has re-evaluated them, or run: hpkp rejudge.",
            {"violations": waiting},
            withholds=True,
        )


def left_out(case: Situation) -> Iterator[Finding]:
    """Tell what does not count because it comes only from where the operator ignores reports of the same cause."""
    if violations := case.evidence.left_out:
        causes = ", ".join(sorted({violation.cause.value for violation in violations}))
        yield Finding(
            "left_out_as_ignored",
            Severity.INFO,
            f"{_reported(violations)} ({causes}): these do not count, for they come only from networks whose reports "
            "of the same cause you ignore. As soon as somebody elsewhere reports one, it counts.",
            "Nothing, unless you trust these senders after all: then set what you ignored to open again.",
            _evidence(violations),
        )


def _evidence(violations: Sequence[OpenViolation]) -> dict[str, object]:
    return {
        "violations": [violation.id for violation in violations[:_SHOWN]],
        "violation_count": len(violations),
        "reports": sum(violation.reports for violation in violations),
    }


def lockout_share(case: Situation) -> Iterator[Finding]:
    """Bound the share of clients that our own mistakes would lock out, by its upper 95 % bound."""
    share = _share(case, Group.OURS)
    limit = case.limits.lockout_share
    if share is None or share.upper <= limit:
        return
    if share.clients and share.upper_of_reports > limit:
        yield Finding(
            "lockout_share_over_limit",
            Severity.BLOCKER,
            f"By the reports, mistakes of yours would lock out at least {share.clients.at_least} of {share.of}. With "
            f"95 % confidence it is at most {at_most(share.upper)} of them; the limit is {percent(limit)}.",
            "Mend what was reported; violations that are marked as resolved count no more, unless they are reported "
            "again.",
            share.as_evidence(),
        )
    else:
        yield Finding(
            "lockout_share_not_bounded",
            Severity.WARNING,
            f"Of {share.of} {_nobody(share)} reported a mistake of yours. From so few it only follows, with 95 % "
            f"confidence, that at most {at_most(share.upper)} of them would be locked out{_delivered(share)}; the "
            f"limit is {percent(limit)}.",
            "Let more clients that can report meet the pins, or raise HPKP_MAX_LOCKOUT_PERCENT knowingly.",
            share.as_evidence(),
            withholds=True,
        )


def _nobody(share: "_Share") -> str:
    return f"at least {share.clients.at_least}" if share.clients else "nobody"


def _delivered(share: "_Share") -> str:
    """Say by what the bound is divided; nothing if how many clients report was not measured."""
    if share.delivery is None:
        return ""
    return f", for as few as {at_least(share.delivery.lower)} of clients report (measured with control pins)"


def interception_share(case: Situation) -> Iterator[Finding]:
    """Tell the share of clients whose apps would be cut off by interception; browsers let installed roots pass."""
    share, limit = _share(case, Group.INTERCEPTION), case.limits.interception_share
    if share is not None and share.reported > limit:
        yield Finding(
            "interception_share_over_limit",
            Severity.BLOCKER,
            f"By the reports, at least {share.clients.at_least} of {share.of} ({percent(share.met)}) use the app where "
            "a proxy or a security product intercepts the connection. The app would refuse to work there. With 95 % "
            f"confidence it is at most {at_most(share.upper)} of them; the limit is {percent(limit)}.",
            f"Decide whether these may be locked out. If they may, hpkp mark {_numbers(case, Group.INTERCEPTION)} --as "
            "expected, or raise HPKP_MAX_INTERCEPTION_PERCENT. If not, talk to those who run the proxies first.",
            share.as_evidence(),
        )


def unknown_share(case: Situation) -> Iterator[Finding]:
    """Tell the share of clients of which the reports do not tell whether they would be locked out."""
    share, limit = _share(case, Group.UNKNOWN), case.limits.lockout_share
    if share is not None and share.reported > limit:
        yield Finding(
            "unknown_share_over_limit",
            Severity.WARNING,
            f"Of at least {share.clients.at_least} of {share.of} ({percent(share.met)}) the reports do not tell "
            f"whether they would be locked out; the limit is {percent(limit)}.",
            "Look at what cannot be told, with hpkp explain NUMBER; what you can account for, hpkp mark "
            f"{_numbers(case, Group.UNKNOWN)} --as expected or ignored.",
            share.as_evidence(),
            withholds=True,
        )


def _numbers(case: Situation, group: Group) -> str:
    """Name the violations of a group, those reported most first."""
    of_group = [violation for violation in case.evidence.open_violations if violation.group is group]
    most = sorted(of_group, key=lambda violation: (-violation.reports, violation.id))
    return " ".join(str(violation.id) for violation in most[:5]) + (" …" if len(most) > 5 else "")


@dataclass(frozen=True, slots=True)
class _Share:
    """Clients of a group, of how many, and of what."""

    clients: ClientCount
    of: Population
    delivery: Delivery | None

    @property
    def met(self) -> float:
        """The share that certainly reported."""
        return min(self.clients.at_least / max(self.of.count, 1), 1.0)

    @property
    def reported(self) -> float:
        """The share that reported, by the most that they may be: it errs on the careful side."""
        return min(self.clients.at_most / max(self.of.count, 1), 1.0)

    @property
    def upper(self) -> float:
        """The upper 95 % bound of the share, those that do not report included."""
        return upper_share_of_all(self.clients.at_most, self.of.count, self.delivery)

    @property
    def upper_of_reports(self) -> float:
        """The same if every client reports."""
        return upper_share_of_all(self.clients.at_most, self.of.count, None)

    def as_evidence(self) -> dict[str, object]:
        """Return the numbers."""
        numbers = {"clients": self.clients.at_least, "clients_at_most": self.clients.at_most, "of": self.of.count}
        return numbers | {"upper_percent": round(100 * self.upper, 6)}


def _share(case: Situation, group: Group) -> _Share | None:
    """Return the share of a group; None where exposure is unknown."""
    exposure = case.evidence.exposure
    if exposure is None:
        return None
    # Interception locks out apps alone; of their installs the share is, where they are known.
    of = (exposure.apps if group is Group.INTERCEPTION else None) or exposure.smaller
    return _Share(case.evidence.clients.get(group, NOBODY), of, case.delivery) if of is not None else None
