"""Violations that are new: judged with no transaction open, and accepted within fair limits.

::

    1 find the host that answers, with the policies that are there now
    2 leave out what is over a limit whatever its evidence is, and most of what is over one unless its evidence can be
      checked, so that a flood is not judged
    3 judge the rest; reports that came in one body within one budget
    4 decide on the limits, which reserve room for evidence that cannot be forged

Of a network over its limits a few violations of each batch are still judged (2), because an honest client may be in
it: after a flood its evidence is accepted, and during one by and by. What it has that cannot be checked is counted as
overflow, until a client in any other network reports the same violation; from then on all reports of it are counted.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.hpkp.judgement.checked import find_checked_leaf, may_have_checked_leaf
from app.hpkp.judgement.judge import Judgement, JudgeWithinBudget
from app.hpkp.overflow import OverflowReason
from app.hpkp.pinned_host import find_pinned_host
from app.hpkp.policy import PolicyHistory
from app.ingest.body_budgets import BodyBudgets
from app.ingest.entry import UNKNOWN_NETWORK
from app.ingest.limits import NewViolation, NewViolationLimits, Overflow, Usage, decide, find_limit
from app.store.engine import DAY_MS, from_ms
from app.store.fold_store import FoldStore
from app.store.read.fold_inputs import NewViolations
from app.store.submissions import Submission
from app.store.write.values import JudgedViolation

logger = logging.getLogger(__name__)

_JUDGED_OVER_LIMIT = 4
"""Violations of a batch that are judged for each network that is over its limits: some 4 ms, or 250 at the worst."""
_ANY_LEAF = b""
"""Stands for evidence of which nothing has been accepted: the best that there can be."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why a violation is not stored, and the host for which its reports are counted as overflow."""

    host: str
    reason: OverflowReason


@dataclass(frozen=True, slots=True)
class Judged:
    """What becomes of the new violations of a batch, by identity."""

    accepted: Mapping[bytes, JudgedViolation]
    left_out: Mapping[bytes, LeftOut]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A new violation as a report gives it, and the policy history of the host that answers."""

    submission: Submission
    host: str
    history: PolicyHistory
    day: int

    @property
    def body(self) -> bytes:
        """What names the body that it came in."""
        return self.submission.body_digest or self.submission.digest

    def as_new(self, *, checked_leaf: bytes | None) -> NewViolation:
        """Return it as the limits see it; ``checked_leaf`` is None without checked evidence."""
        return NewViolation(
            identity=self.submission.identity,
            host=self.host,
            network=self.submission.network,
            day=self.day,
            checked_leaf=checked_leaf,
            is_registered=self.history.is_registered,
        )


class NewViolationJudge:
    """Judges what is new. ``accept_unknown_hosts`` False leaves out every violation of a host without a policy."""

    def __init__(
        self,
        store: FoldStore,
        judge: JudgeWithinBudget,
        limits: NewViolationLimits,
        *,
        accept_unknown_hosts: bool = True,
    ) -> None:
        self._store = store
        self._judge = judge
        self._limits = limits
        self._accept_unknown_hosts = accept_unknown_hosts

    def judge(self, new: Collection[Submission]) -> Judged:
        """Judge the violations of submissions that the store does not have; raises what `FoldStore` raises."""
        accepted: dict[bytes, JudgedViolation] = {}
        left_out: dict[bytes, LeftOut] = {}
        if not new:
            return Judged(accepted, left_out)
        # (1) If one of these policies changes until the batch is counted, the transaction has it planned again.
        names = {(s.report.hostname, s.report.noted_hostname) for s in new}
        histories = self._store.load_histories(names)
        pinned = {name: find_pinned_host(*name, histories) for name in names}
        by_day = defaultdict[int, dict[bytes, dict[bytes, _Candidate]]](lambda: defaultdict(dict))
        budgets = BodyBudgets(self._judge)
        for submission in new:
            # The day (UTC) of the receipt: what waited in the log counts for the limits of its own day.
            day = submission.received_at - submission.received_at % DAY_MS
            host, history = pinned[submission.report.hostname, submission.report.noted_hostname]
            candidate = _Candidate(submission, host, history, day)
            # One for each body: each body pays for itself, see `_judge_any`.
            by_day[day][submission.identity].setdefault(candidate.body, candidate)
        for _, candidates in sorted(by_day.items()):
            # What was over a limit one day may be accepted the next: then its reports of both days are counted.
            waiting = [list(by_body.values()) for identity, by_body in candidates.items() if identity not in accepted]
            accepted |= self._judge_day(waiting, left_out, budgets)
        return Judged(accepted, {identity: why for identity, why in left_out.items() if identity not in accepted})

    def _judge_day(
        self,
        candidates: Collection[Sequence[_Candidate]],
        left_out: dict[bytes, LeftOut],
        budgets: BodyBudgets,
    ) -> dict[bytes, JudgedViolation]:
        """Return the violations of a day that are accepted, and note the others with their reasons.

        ``candidates`` are grouped by violation, each group one for each body, the first one first.
        """
        if not candidates:
            return {}
        day = next(iter(candidates))[0].day
        used = self._load_usage({group[0].host for group in candidates}, day)
        screen = _Screen(used, self._limits)
        judged: dict[bytes, JudgedViolation] = {}
        possible: list[NewViolation] = []
        for group in candidates:
            candidate = group[0]
            identity = candidate.submission.identity
            # (2) First, because judging (3) is the costly part.
            reason = self._refuse(candidate) or screen.refuse(candidate)
            result = reason if reason is not None else self._judge_any(group, budgets)
            if isinstance(result, OverflowReason):
                left_out[identity] = LeftOut(candidate.host, result)
            else:
                judged[identity] = result
                possible.append(candidate.as_new(checked_leaf=_checked_leaf(candidate, result.judgement)))
        # (4) Only now is it known which evidence cannot be forged, and may use the reserved room.
        for identity, decision in decide(possible, used, self._limits).by_identity.items():
            if isinstance(decision, Overflow):
                left_out[identity] = LeftOut(judged.pop(identity).host, decision.reason)
        return judged

    def _refuse(self, candidate: _Candidate) -> OverflowReason | None:
        """Refuse a violation of a host without a policy, if that is so set."""
        is_known = self._accept_unknown_hosts or candidate.history.is_registered
        return None if is_known else OverflowReason.UNKNOWN_HOST

    def _judge_any(self, group: Sequence[_Candidate], budgets: BodyBudgets) -> JudgedViolation | OverflowReason:
        """Judge a violation by the first of its reports whose body can pay for that.

        Otherwise an attacker could send a known report behind costly ones, and have all others of it left out as well.
        """
        try:
            for candidate in group:
                submission = candidate.submission
                judgement = budgets.judge(candidate.body, submission.report, candidate.history, submission.received_at)
                if judgement is not None:
                    return _judged(candidate, judgement)
            return OverflowReason.BODY
        except Exception:  # one that cannot be judged must not keep all that come after it from being counted
            logger.exception("a violation of %s could not be judged", group[0].host)
            return OverflowReason.FAULT

    def _load_usage(self, hosts: Iterable[str], day: int) -> Usage:
        """Load what is used of the limits of a day (milliseconds). Raises what `FoldStore` raises."""
        counted = self._store.count_new_violations(hosts, since=day, until=day + DAY_MS)
        return _usage(counted, day, per_checked_leaf=self._limits.per_checked_leaf)


class _Screen:
    """Leaves out what need not be judged, as far as the usage before a batch tells: usage only grows."""

    def __init__(self, used: Usage, limits: NewViolationLimits) -> None:
        self._now = used.plus(Usage())
        self._limits = limits
        self._judged_over_limit: Counter[bytes] = Counter()

    def refuse(self, candidate: _Candidate) -> OverflowReason | None:
        """Say which limit a violation is over; None if it is to be judged."""
        # Over a limit with the best evidence there is, so judging would be for nothing.
        if (reason := find_limit(candidate.as_new(checked_leaf=_ANY_LEAF), self._now, self._limits)) is not None:
            return reason
        # Within the limits without any evidence: counted here, so that a flood in one batch meets the limits.
        submission, new = candidate.submission, candidate.as_new(checked_leaf=None)
        if (reason := find_limit(new, self._now, self._limits)) is None:
            self._now.network_and_host[new.network, new.host, new.day] += 1
            self._now.network[new.network, new.day] += 1
            return None
        # Over a limit, unless its evidence is checked.
        if not may_have_checked_leaf(submission.report, received_at=from_ms(submission.received_at)):
            return reason
        self._judged_over_limit[new.network] += 1
        # Behind a proxy all clients may be in the unknown network: a flood there must not leave all others out.
        is_known = new.network != UNKNOWN_NETWORK
        return reason if is_known and self._judged_over_limit[new.network] > _JUDGED_OVER_LIMIT else None


def _checked_leaf(candidate: _Candidate, judgement: Judgement) -> bytes | None:
    """Return the SHA-256 of the leaf of evidence that cannot be forged; None if it is no such evidence."""
    submission = candidate.submission
    leaf = find_checked_leaf(submission.report, judgement, received_at=from_ms(submission.received_at))
    return None if leaf is None else leaf.fingerprint


def _judged(candidate: _Candidate, judgement: Judgement) -> JudgedViolation:
    """Return a judged violation as the store takes it."""
    submission = candidate.submission
    return JudgedViolation(
        identity=submission.identity,
        report=submission.report,
        host=candidate.host,
        history=candidate.history,
        judgement=judgement,
        received_at=submission.received_at,
        # Not the time of the fold: a log that waited gives the same judgements.
        judged_at=submission.received_at,
    )


def _usage(counted: NewViolations, day: int, *, per_checked_leaf: int) -> Usage:
    """Return what is used of a day's limits, as `decide` takes it."""
    reserved: Counter[str] = Counter()
    for (host, _), count in counted.by_host_and_leaf.items():
        # Of hosts without a policy nothing is reserved: any sender may have certificates for them.
        if host not in counted.unregistered_hosts:
            # Rule 2 of `limits`: beyond its few places a leaf uses the open room, as evidence that is not checked.
            reserved[host] += min(count, per_checked_leaf)
    network: Counter[tuple[bytes, int]] = Counter()
    for (hashed, _), count in counted.by_network_and_host.items():
        network[hashed, day] += count
    return Usage(
        host=Counter({(host, day): count for host, count in counted.by_host.items()}),
        unchecked=Counter({(host, day): count - reserved[host] for host, count in counted.by_host.items()}),
        leaf=Counter({(*key, day): count for key, count in counted.by_host_and_leaf.items()}),
        network_and_host=Counter({(*key, day): count for key, count in counted.by_network_and_host.items()}),
        network=network,
        unregistered=Counter({day: counted.of_unregistered_hosts}),
        new_hosts=Counter({(hashed, day): count for hashed, count in counted.new_hosts_by_network.items()}),
        hosts=Counter(dict.fromkeys(counted.unregistered_hosts, 1)),
    )
