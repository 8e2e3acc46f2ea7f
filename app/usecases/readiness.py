"""Assess readiness: gather what a verdict rests on, ask the rules, record what changed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Engine

from app.hpkp.catalog import Catalog
from app.hpkp.clock import find_doubt
from app.hpkp.judgement.judge import JudgeReport
from app.hpkp.live_releases import check_live
from app.hpkp.overflow import RefusalDecision
from app.hpkp.policy import PinningPolicy
from app.hpkp.probe_result import ProbedHost
from app.hpkp.readiness import Evidence, OpenViolation, Readiness, ReadinessInput, Thresholds, assess_readiness
from app.hpkp.readiness.evidence_days import start_of_day
from app.settings import Settings
from app.store.clock import read_clock
from app.store.engine import writing
from app.store.policies import history_of, list_hosts_with_policy
from app.store.read.evidence import AsOf, find_open_violations, gather_evidence, observe
from app.store.read.hosts import list_subdomains_seen
from app.store.read.overflow import find_refusals
from app.store.read.releases import list_installs, list_releases_near
from app.store.read.verdicts import RecordedVerdict, list_verdicts
from app.store.refusal_decisions import record_refusal_decision
from app.store.rejudging import count_waiting
from app.store.verdicts import record_verdict
from app.usecases.last_probes import LastProbes


@dataclass(frozen=True, slots=True)
class Standing:
    """Which violations count for the verdict, and which open ones are left out because the like is ignored, by id."""

    counting: frozenset[int] = frozenset()
    left_out: frozenset[int] = frozenset()

    @classmethod
    def of(cls, counting: Iterable[OpenViolation], left_out: Iterable[OpenViolation]) -> "Standing":
        """Return the ids of both."""
        return cls(frozenset(violation.id for violation in counting), frozenset(one.id for one in left_out))


@dataclass(frozen=True, slots=True)
class ReadinessAssessor:
    """Assesses the policies in force by the limits of the settings."""

    engine: Engine
    judge: JudgeReport
    catalog: Catalog
    settings: Settings
    last_probes: LastProbes

    def gather(self, host: str, *, at: datetime, past: bool = False) -> ReadinessInput | None:
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
            empty = ReadinessInput(policy, Evidence(), at, history, self._thresholds(), self.catalog)
            first, _ = empty.window
            waiting = count_waiting(connection, host)
            observed = observe(
                connection, policy, since=start_of_day(first), until=at, look_age=empty.limits.probe_age,
                known_by=known_by,
            )  # fmt: skip
            as_of = AsOf(at, history, self.judge) if past else None
            evidence = gather_evidence(connection, host, since=empty.since, until=at, as_of=as_of, observed=observed)
            inputs = replace(empty, evidence=evidence)
            refused = find_refusals(connection, host, since=inputs.evidence_since, until=at)
            below = list_subdomains_seen(connection, host, until=at) if policy.include_subdomains else ()
            covered = [
                (name, history_of(connection, name, known_by=known_by).in_force(at) is not None) for name in below
            ]
            known = None if past else read_clock(connection)
            releases = list_releases_near(connection, host, known_by=known_by)
            installs = list_installs(connection, (one.app for one in releases), known_by=known_by)
        live = self.last_probes.find(host, until=at)
        checks = check_live(live, releases, installs, self.last_probes.known, host=host, at=at)
        seen = replace(
            evidence,
            live=live,
            releases=checks,
            unevaluated=waiting,
            refused=refused,
            subdomains=below,
            probed_below=tuple(self._find_below(covered, at=at, oldest=at - empty.limits.probe_age)),
        )
        return replace(inputs, evidence=replace(seen, clock_doubt=None if known is None else find_doubt(at, known)))

    def _find_below(self, names: Iterable[tuple[str, bool]], *, at: datetime, oldest: datetime) -> Iterator[ProbedHost]:
        """Find what names below a host were last seen to serve; each is given with whether it has a policy in force.

        A name without one can no longer be probed, so what it served counts only while a probe is recent enough.
        """
        for name, has_policy in names:
            live = self.last_probes.find(name, until=at)
            if live is not None and (has_policy or live.probe.at >= oldest):
                yield live

    def decide_on_refusals(
        self, host: str, *, ignore: bool, note: str, at: datetime, actor: str | None = None
    ) -> Evidence | None:
        """Decide whether what was refused matters; return the evidence with the decision, None without a policy.

        A decision to ignore it holds for a multiple of what has been seen by now (`app.hpkp.overflow`). The verdict
        with it is recorded.
        """
        inputs = self.gather(host, at=at)
        if inputs is None:
            return None
        networks = 0 if inputs.evidence.refused is None else inputs.evidence.refused.networks
        with writing(self.engine) as connection:
            counted = networks if ignore else None
            record_refusal_decision(connection, host, networks=counted, note=note, at=at, actor=actor)
        self.record(host, at=at)
        if inputs.evidence.refused is None:
            return inputs.evidence
        decision = RefusalDecision(at, networks, note) if ignore else None
        return replace(inputs.evidence, refused=replace(inputs.evidence.refused, decision=decision))

    def find_standing(self, hosts: Iterable[str], *, at: datetime) -> Standing:
        """Find which violations of hosts count for their verdicts now."""
        counting, left_out = list[OpenViolation](), list[OpenViolation]()
        with self.engine.connect() as connection:
            for host in sorted(set(hosts)):
                history = history_of(connection, host)
                policy = history.in_force(at)
                since = None if policy is None else history.unchanged_since(policy)
                if since is not None:
                    _, found = find_open_violations(connection, host, since=since, until=at)
                    counting += found.violations
                    left_out += found.left_out
        return Standing.of(counting, left_out)

    def _thresholds(self) -> Thresholds:
        chosen = self.settings
        return Thresholds(
            observation=timedelta(days=chosen.min_observation_days),
            covered_age=timedelta(days=chosen.max_covered_age_days),
            probe_age=timedelta(hours=chosen.max_probe_age_hours),
            canary_age=timedelta(hours=chosen.max_canary_age_hours),
            lockout_share=chosen.max_lockout_percent / 100,
            interception_share=chosen.max_interception_percent / 100,
            private_addresses=chosen.probe_private_addresses,
        )

    def assess(self, host: str, *, at: datetime, past: bool = False) -> tuple[PinningPolicy, Readiness] | None:
        """Assess the policy in force now, or with ``past`` at a past moment; None if there was none."""
        inputs = self.gather(host, at=at, past=past)
        return None if inputs is None else (inputs.policy, assess_readiness(inputs))

    def record(self, host: str, *, at: datetime) -> Readiness | None:
        """Assess, and record the verdict if it differs from the last one; None if no policy is in force.

        While violations are being judged again, or the clock is implausible, nothing is recorded: that verdict is about
        the service, not the host.
        """
        inputs = self.gather(host, at=at)
        if inputs is None:
            return None
        policy, answer = inputs.policy, assess_readiness(inputs)
        if inputs.evidence.unevaluated or inputs.evidence.clock_doubt:
            return answer
        with writing(self.engine) as connection:
            counting = frozenset(violation.id for violation in inputs.evidence.open_violations)
            record_verdict(connection, host, policy.revision, answer, counting=counting, at=at)
        return answer

    def list_hosts(self) -> Sequence[str]:
        """Return every host that ever had a policy."""
        with self.engine.connect() as connection:
            return list_hosts_with_policy(connection)

    def list_verdicts(self, host: str, *, limit: int, before: int | None = None) -> Sequence[RecordedVerdict]:
        """Return the verdicts on a host, the newest first; ``before`` is the id of the last one seen."""
        with self.engine.connect() as connection:
            return list_verdicts(connection, host, limit=limit, before=before)
