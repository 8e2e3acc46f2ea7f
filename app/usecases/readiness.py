"""Assess readiness: gather what a verdict rests on, ask the rules, record what changed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Engine

from app.hpkp.catalog import Catalog
from app.hpkp.judgement.judge import JudgeReport
from app.hpkp.overflow import RefusalDecision
from app.hpkp.policy import PinningPolicy
from app.hpkp.readiness import Evidence, Readiness, Situation, Thresholds, assess_readiness
from app.settings import Settings
from app.store.engine import writing
from app.store.policies import history_of, list_hosts_with_policy
from app.store.read.counted_violations import list_ignored
from app.store.read.evidence import AsOf, gather_evidence
from app.store.read.hosts import list_subdomains_seen
from app.store.read.overflow import find_refusals
from app.store.read.verdicts import RecordedVerdict, list_verdicts
from app.store.refusal_decisions import record_refusal_decision
from app.store.rejudging import count_waiting
from app.store.verdicts import record_verdict
from app.usecases.last_probes import LastProbes


@dataclass(frozen=True, slots=True)
class ReadinessAssessor:
    """Assesses the policies in force by the limits of the settings."""

    engine: Engine
    judge: JudgeReport
    catalog: Catalog
    settings: Settings
    last_probes: LastProbes

    def gather(self, host: str, *, at: datetime, past: bool = False) -> Situation | None:
        """Gather all that the verdict of a moment rests on; None if no policy was in force.

        Only what was received since the revision took effect, and by ``at``, counts as evidence for it. ``at`` is the
        present; with ``past`` it is a moment before, and the answer rests on what was known then.
        """
        with self.engine.connect() as connection:
            history = history_of(connection, host, known_by=at if past else None)
            policy = history.in_force(at)
            if policy is None or policy.effective_from is None:
                return None
            waiting = count_waiting(connection, host)
            as_of = AsOf(at, history, self.judge) if past else None
            evidence = gather_evidence(connection, host, since=policy.effective_from, until=at, as_of=as_of)
            case = Situation(policy, evidence, at, history, self._thresholds(), self.catalog)
            refused_since = max(policy.effective_from, at - case.needed_observation)
            refused = find_refusals(connection, host, since=refused_since, until=at)
            below = list_subdomains_seen(connection, host, until=at) if policy.include_subdomains else ()
        live = self.last_probes.find(host, until=at)
        return replace(
            case, evidence=replace(evidence, live=live, unevaluated=waiting, refused=refused, subdomains=below)
        )

    def decide_on_refusals(self, host: str, *, ignore: bool, note: str, at: datetime) -> Evidence | None:
        """Decide whether what was refused matters; return the evidence with the decision, None without a policy.

        A decision to ignore it holds for a multiple of what has been seen by now (`app.hpkp.overflow`).
        """
        case = self.gather(host, at=at)
        if case is None:
            return None
        networks = 0 if case.evidence.refused is None else case.evidence.refused.networks
        with writing(self.engine) as connection:
            record_refusal_decision(connection, host, networks=networks if ignore else None, note=note, at=at)
        if case.evidence.refused is None:
            return case.evidence
        decision = RefusalDecision(at, networks, note) if ignore else None
        return replace(case.evidence, refused=replace(case.evidence.refused, decision=decision))

    def find_left_out(self, hosts: Iterable[str], *, at: datetime) -> frozenset[int]:
        """Find the open violations of hosts that do not count, because the operator ignores the like of them."""
        with self.engine.connect() as connection:
            ignoring = [host for host in sorted(set(hosts)) if list_ignored(connection, host)]
        cases = (self.gather(host, at=at) for host in ignoring)
        return frozenset(v.id for case in cases if case is not None for v in case.evidence.left_out)

    def _thresholds(self) -> Thresholds:
        chosen = self.settings
        return Thresholds(
            observation=timedelta(days=chosen.min_observation_days),
            sessions=chosen.min_sessions,
            probe_age=timedelta(hours=chosen.max_probe_age_hours),
            canary_age=timedelta(hours=chosen.max_canary_age_hours),
            lockout_share=chosen.max_lockout_percent / 100,
            interception_share=chosen.max_interception_percent / 100,
            private_addresses=chosen.probe_private_addresses,
        )

    def assess(self, host: str, *, at: datetime, past: bool = False) -> tuple[PinningPolicy, Readiness] | None:
        """Assess the policy in force now, or with ``past`` at a past moment; None if there was none."""
        situation = self.gather(host, at=at, past=past)
        return None if situation is None else (situation.policy, assess_readiness(situation))

    def record(self, host: str, *, at: datetime) -> Readiness | None:
        """Assess, and record the verdict if it differs from the last one; None if no policy is in force.

        While violations are being judged again nothing is recorded: that verdict is about the service, not the host.
        """
        situation = self.gather(host, at=at)
        if situation is None:
            return None
        policy, answer = situation.policy, assess_readiness(situation)
        if situation.evidence.unevaluated:
            return answer
        with writing(self.engine) as connection:
            record_verdict(connection, host, policy.revision, answer, at=at)
        return answer

    def record_all(self, *, at: datetime) -> int:
        """Record the verdict on every host with a policy; return how many were assessed."""
        with self.engine.connect() as connection:
            hosts = list_hosts_with_policy(connection)
        return sum(self.record(host, at=at) is not None for host in hosts)

    def list_verdicts(self, host: str, *, limit: int, before: int | None = None) -> Sequence[RecordedVerdict]:
        """Return the verdicts on a host, the newest first; ``before`` is the id of the last one seen."""
        with self.engine.connect() as connection:
            return list_verdicts(connection, host, limit=limit, before=before)
