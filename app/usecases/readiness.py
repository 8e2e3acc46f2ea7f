"""Assess readiness: gather what a verdict rests on, ask the rules, record what changed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Engine

from app.hpkp.catalog import Catalog
from app.hpkp.judgement.judge import JudgeReport
from app.hpkp.policy import PinningPolicy
from app.hpkp.readiness import Evidence, Readiness, Situation, Thresholds, assess_readiness
from app.hpkp.readiness.evidence_days import start_of_day
from app.settings import Settings
from app.store.engine import writing
from app.store.policies import history_of, list_hosts_with_policy
from app.store.read.evidence import AsOf, gather_evidence, observe
from app.store.read.verdicts import RecordedVerdict, list_verdicts
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

        Only what was received since clients see the policy as it is, and by ``at``, counts as evidence for it. ``at``
        is the present; with ``past`` it is a moment before, and the answer rests on what was known then.
        """
        known_by = at if past else None
        with self.engine.connect() as connection:
            history = history_of(connection, host, known_by=known_by)
            policy = history.in_force(at)
            if policy is None or policy.effective_from is None:
                return None
            empty = Situation(policy, Evidence(), at, history, self._thresholds(), self.catalog)
            first, _ = empty.window
            waiting = count_waiting(connection, host)
            observed = observe(
                connection, policy, since=start_of_day(first), until=at, look_age=empty.limits.probe_age,
                known_by=known_by,
            )  # fmt: skip
            as_of = AsOf(at, history, self.judge) if past else None
            evidence = gather_evidence(connection, host, since=empty.since, until=at, as_of=as_of, observed=observed)
        evidence = replace(evidence, live=self.last_probes.find(host, until=at), unevaluated=waiting)
        return replace(empty, evidence=evidence)

    def _thresholds(self) -> Thresholds:
        chosen = self.settings
        return Thresholds(
            observation=timedelta(days=chosen.min_observation_days),
            covered_age=timedelta(days=chosen.max_covered_age_days),
            probe_age=timedelta(hours=chosen.max_probe_age_hours),
            canary_age=timedelta(hours=chosen.max_canary_age_hours),
            lockout_share=chosen.max_lockout_percent / 100,
            interception_share=chosen.max_interception_percent / 100,
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
