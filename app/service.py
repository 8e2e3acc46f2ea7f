"""Everything that one running process holds, wired once."""

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from app.canary import make_canary, send
from app.catalog import load_known_certificates
from app.catalog.load import load_catalog
from app.hpkp.catalog import Catalog
from app.hpkp.deployment import DeploymentCheck, check_deployment
from app.hpkp.errors import InvalidPolicy
from app.hpkp.hosts import Host
from app.hpkp.judgement.judge import Judgement, JudgeReport, judge
from app.hpkp.judgement.rules import RULES_VERSION
from app.hpkp.pins import Pin
from app.hpkp.policy import PinningPolicy, PolicyHistory
from app.hpkp.probe_result import LiveHost, Probe, describe_live
from app.hpkp.readiness import Readiness, Situation, Thresholds, assess_readiness
from app.hpkp.report import ViolationReport
from app.hpkp.what_if import Replayed, WhatIf, compare, make_candidate, with_candidate
from app.hpkp.x509.anchors import KnownCertificates
from app.hpkp.x509.certificate import Chain
from app.ingest.fold_watch import FoldWatch
from app.metrics import Metrics
from app.probe import ProbeOptions, probe
from app.settings import Settings
from app.store import canaries, policies
from app.store import engine as store_engine
from app.store.engine import from_ms, open_engine, to_ms, writing
from app.store.events import add_event
from app.store.past import gather_past_evidence
from app.store.probes import add_probe, find_look, hosts_not_probed_since, load_probe
from app.store.rejudging import ALL, count_waiting, find_run, request_if_knowledge_changed, request_rejudging
from app.store.retention import Cutoffs, prune
from app.store.retention import Progress as PruneProgress
from app.store.secrets import canary_key, session_key
from app.store.summaries import gather_evidence, walk_counted
from app.store.turns import Upkeep, turn, wait_for_other_writers
from app.store.verdicts import record_verdict
from app.store.violations import Filter, load_report
from app.store.write.marks import find_newest_receipt
from app.store.write.pruning import prune_overflow, prune_unused
from app.store.write.store_size import shrink_store
from app.threads import in_thread
from app.usecases import rejudging
from app.usecases.rejudging import Progress

logger = logging.getLogger(__name__)

_DESCRIBED = 1000
_CANARY_PATIENCE = 5.0
"""Seconds for which a canary that was accepted may take until it is counted."""
_AT_ONCE = 1.0
"""Seconds for which a change judges before it is answered: a host of a thousand violations or so is done by then."""


@dataclass(frozen=True, slots=True)
class CanarySent:
    """What became of a canary: where it was sent, and when it arrived here, or why not."""

    report_uri: str
    sent_at: datetime
    received_at: datetime | None
    fault: str | None


@dataclass(frozen=True)
class Service:
    """The parts of a process. Made by `open_service`; `app.wiring` adds the ingest path."""

    settings: Settings
    engine: Engine
    known: KnownCertificates
    catalog: Catalog
    judge: JudgeReport
    metrics: Metrics
    session_key: bytes
    """Signs the sessions and forms of the pages."""
    watch: FoldWatch
    """How far the fold is behind what was accepted."""
    described: dict[tuple[int, int], LiveHost] = field(default_factory=dict)
    """What the last looks saw, understood: reading certificates and their signatures again would give the same."""

    def set_policy(self, policy: PinningPolicy, *, at: datetime) -> PinningPolicy:
        """Set a host's policy by a new revision and begin to judge the host's violations again.

        What is left after a second is judged in the background; until then no verdict on the host is `ready`. The same
        policy as the one in force, with no date of its own, makes no new revision. Raises InvalidPolicy for one that
        is to take effect in the future.
        """
        if policy.effective_from is not None and policy.effective_from > at:
            raise InvalidPolicy("effective_from lies in the future")
        with writing(self.engine) as connection:
            wait_for_other_writers(connection)  # before the policy is read, on which their judgements rest as well
            current = policies.history_of(connection, policy.host).in_force(at)
            if current is not None and policy.effective_from is None and policy.says_the_same_as(current):
                return current
            stored = policies.add_revision(connection, policy, at=at)
            request_rejudging(connection, policy.host, at=to_ms(at))
        self._rejudge_at_once(policy.host, at=at)
        self.record_verdict(policy.host, at=at)
        return stored

    def withdraw_policy(self, host: str, *, at: datetime) -> PinningPolicy | None:
        """End the policy in force by a last revision and begin to judge again; None where none was in force."""
        with writing(self.engine) as connection:
            wait_for_other_writers(connection)
            withdrawn = policies.withdraw(connection, policies.history_of(connection, host), at=at)
            if withdrawn is not None:
                request_rejudging(connection, host, at=to_ms(at))
        if withdrawn is not None:
            self._rejudge_at_once(host, at=at)
        return withdrawn

    def what_if(
        self,
        host: Host,
        pins: Iterable[Pin],
        own_keys: Iterable[Pin] = (),
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        at: datetime,
    ) -> WhatIf | None:
        """Replay the violations reported for a host under other pins; None where it has no policy in force."""
        with self.engine.connect() as connection:
            history = policies.history_of(connection, host)
            policy = history.in_force(at)
            if policy is None:
                return None
            candidate = make_candidate(policy, pins, own_keys, at=at)
            then = with_candidate(history, candidate)

            def replay() -> Iterator[Replayed]:
                for row, reports in walk_counted(connection, Filter(host=host, since=since, until=until)):
                    report, received_at = load_report(connection, row), from_ms(row.first_received_at)
                    both = (
                        judge(report, which, self.known, self.catalog, received_at=received_at, at=at)
                        for which in (history, then)
                    )
                    yield Replayed(row.id, row.status, reports, *both)

            return compare(candidate, replay())

    def check(self, host: Host, chain: Chain, *, at: datetime) -> tuple[str, DeploymentCheck] | None:
        """Check a chain about to be deployed; with the host whose policy covers it, None where none does."""
        with self.engine.connect() as connection:
            covering = policies.find_covering(connection, host)
        if covering is None:
            return None
        name, history = covering
        return name, check_deployment(chain, history, self.known, host=host, at=at)

    async def probe(self, host: Host, *, port: int | None = None) -> tuple[PinningPolicy, LiveHost] | None:
        """Look at what a host serves and record it; None, and no connection, where no policy of its own is in force.

        A leaf key seen for the first time, in a chain that holds, is the host's: its violations are judged again.
        """
        policy = await in_thread(self.policy_in_force, host, at=now())
        if policy is None:
            return None
        chosen = self.settings
        options = ProbeOptions(
            port=port or chosen.probe_port,
            paths=chosen.probe_paths,
            timeout=chosen.probe_timeout_seconds,
            private_addresses=chosen.probe_private_addresses,
        )
        seen = await probe(host, options)
        return policy, await in_thread(self.record_probe, seen)

    def record_probe(self, seen: Probe) -> LiveHost:
        """Record what a host was seen to serve."""
        live = describe_live(seen, self.known)
        with writing(self.engine) as connection:
            wait_for_other_writers(connection)
            new_keys = add_probe(connection, live)
            if new_keys:
                request_rejudging(connection, seen.host, at=to_ms(seen.at))
        if new_keys:
            self._rejudge_at_once(seen.host, at=seen.at)
        self.metrics.count_probe(reached=bool(live.chains))
        return live

    def due_for_a_probe(self, *, at: datetime) -> list[Host]:
        """Return the hosts with a policy in force that were not looked at within the interval set."""
        since = at - timedelta(hours=self.settings.probe_interval_hours)
        with self.engine.connect() as connection:
            due = hosts_not_probed_since(connection, since)
            return [host for host in due if policies.history_of(connection, host).in_force(at) is not None]

    def last_seen(self, host: str, *, until: datetime | None = None) -> LiveHost | None:
        """Return what the last look at a host saw, or None; with ``until``, the last one by then."""
        with self.engine.connect() as connection:
            look = find_look(connection, host, until=until)
            if look is None:
                return None
            if (known := self.described.get(look.key)) is not None:
                return known
            found = load_probe(connection, look)
        if len(self.described) >= _DESCRIBED:
            self.described.clear()
        live = self.described[look.key] = describe_live(found, self.known)
        return live

    async def send_canary(self, host: str, *, at: datetime) -> CanarySent | None:
        """Send a canary through the report-uri of the policy in force and see whether it arrives; None without one.

        Raises InvalidPolicy where the policy names no report-uri.
        """
        policy = await in_thread(self.policy_in_force, host, at=at)
        if policy is None:
            return None
        if policy.report_uri is None:
            raise InvalidPolicy(f"the policy of {host} names no report-uri to send a canary to")
        nonce = secrets.token_bytes(16)
        body = make_canary(policy, nonce, key=await in_thread(canary_key, self.engine), at=at)
        await in_thread(self._add_canary, host, nonce, policy.report_uri, at)
        fault = await send(policy.report_uri, body)
        received_at = await self._wait_for_canary(nonce) if fault is None else None
        if received_at is None and fault is None:
            fault = f"{policy.report_uri} took it, but it did not arrive here: it leads to another collector"
        if fault is not None and received_at is None:
            await in_thread(self._set_fault, nonce, fault)
        return CanarySent(policy.report_uri, at, received_at, fault if received_at is None else None)

    async def _wait_for_canary(self, nonce: bytes) -> datetime | None:
        """Return when a canary that was accepted somewhere was counted here; None if that takes too long."""
        ends = time.monotonic() + _CANARY_PATIENCE
        while (received_at := await in_thread(self._canary_arrived, nonce)) is None and time.monotonic() < ends:
            await asyncio.sleep(0.05)
        return received_at

    def _add_canary(self, host: str, nonce: bytes, report_uri: str, at: datetime) -> None:
        with writing(self.engine) as connection:
            canaries.add_canary(connection, host, nonce, report_uri=report_uri, at=at)

    def _set_fault(self, nonce: bytes, fault: str) -> None:
        with writing(self.engine) as connection:
            canaries.set_fault(connection, nonce, fault)

    def _canary_arrived(self, nonce: bytes) -> datetime | None:
        with self.engine.connect() as connection:
            return canaries.received_at(connection, nonce)

    def due_for_a_canary(self, *, at: datetime) -> list[str]:
        """Return the hosts whose policy in force names a report-uri to which none was sent within the interval set."""
        since = at - timedelta(hours=self.settings.canary_interval_hours)
        with self.engine.connect() as connection:
            due = canaries.hosts_without_canary_since(connection, since)
            in_force = ((host, policies.history_of(connection, host).in_force(at)) for host in due)
            return [host for host, policy in in_force if policy is not None and policy.report_uri is not None]

    def prune(self, *, at: datetime, progress: PruneProgress = lambda what, count: None) -> dict[str, int]:
        """Forget what is older than the settings say; return how much, by kind."""
        chosen = self.settings
        removed = prune(
            self.engine,
            Cutoffs(
                bodies=_before(at, chosen.keep_bodies_days),
                rows=_before(at, chosen.keep_rows_days),
                rollups=_before(at, chosen.keep_rollups_days),
                rejections=_before(at, chosen.keep_rejections_days),
            ),
            progress,
        )
        unused = prune_unused(
            self.engine, hosts_unused_since=_before(at, chosen.keep_unknown_hosts_days), progress=progress
        )
        for what, number in unused.items():
            removed[what] = removed.get(what, 0) + number
        if (before := _before(at, chosen.keep_rollups_days)) is not None:
            removed["overflow"] = prune_overflow(self.engine, before=before)
        self._tell_removed(removed, at)
        return removed

    def shrink_store(self, *, at: datetime, progress: PruneProgress = lambda what, count: None) -> dict[str, int]:
        """Delete the least valuable if the store is over its size limit; return how much, by kind."""
        limit = self.settings.store_bytes
        if limit is None:
            return {}
        with self.engine.connect() as connection:
            newest = find_newest_receipt(connection)
        now_or_newest = to_ms(at) if newest is None else newest
        shrunk = shrink_store(self.engine, limit, newest_received_at=now_or_newest, progress=progress)
        if not shrunk.is_within:
            logger.error("the store has %d bytes, of which none may be deleted; its limit is %d", shrunk.after, limit)
        deleted = dict(shrunk.deleted)
        self._tell_removed(deleted, at)
        return deleted

    def _tell_removed(self, removed: Mapping[str, int], at: datetime) -> None:
        """Record an event if anything was removed."""
        if any(removed.values()):
            told = ", ".join(f"{count} {what}" for what, count in removed.items() if count)
            with writing(self.engine) as connection:
                add_event(connection, "pruned", f"Forgotten: {told}", at=to_ms(at))

    def rejudge_where_knowledge_changed(self, *, at: datetime, seconds: float | None = None) -> None:
        """Judge everything again if roots, catalogs or rules are others than the last time, for so many seconds.

        What is left is judged in the background. Where another process is at it, this one leaves it to that.
        """
        with self.turn(Upkeep.REJUDGING) as ours:
            if not ours:
                return
            with writing(self.engine) as connection:
                pending = request_if_knowledge_changed(connection, self._knowledge(), at=to_ms(at))
            if pending:
                for _ in rejudging.run_for(self.engine, self.judge, at=at, seconds=seconds):
                    pass

    def request_rejudging(self, host: str = ALL, *, at: datetime) -> int:
        """Let the violations of a host, or of all, be judged again; return how many there are."""
        with writing(self.engine) as connection:
            request_rejudging(connection, host, knowledge="" if host else self._knowledge(), at=to_ms(at))
            return count_waiting(connection, host)

    def rejudge_further(self, *, at: datetime) -> Progress | None:
        """Judge the next piece of what waits to be judged again; None if nothing does.

        At the end of a host's, its verdict is recorded: it was withheld until then.
        """
        progress = rejudging.go_on(self.engine, self.judge, at=at)
        if progress is not None and progress.finished and progress.run.host:
            self.record_verdict(progress.run.host, at=at)
        return progress

    def is_rejudging(self) -> bool:
        """Whether violations wait to be judged again, or the end of that to be recorded."""
        with self.engine.connect() as connection:
            return find_run(connection) is not None

    def count_waiting(self, host: str = ALL) -> int:
        """Count the violations of a host, or of all, that are still to be judged again."""
        with self.engine.connect() as connection:
            return count_waiting(connection, host)

    def _rejudge_at_once(self, host: str, *, at: datetime) -> None:
        for _ in rejudging.run_for(self.engine, self.judge, host=host, at=at, seconds=_AT_ONCE):
            pass

    def turn(self, upkeep: Upkeep) -> AbstractContextManager[bool]:
        """Tell whether no other process does this now, and keep others from it within the block."""
        return turn(self.engine, upkeep)

    def _knowledge(self) -> str:
        """Return a short name for all that a judgement rests on besides report and policy."""
        digest = hashlib.sha256(f"{RULES_VERSION} {self.catalog}".encode())
        for root in (*self.known.public, *self.known.operator, *self.known.intermediates):
            digest.update(root.fingerprint)
        return digest.hexdigest()[:16]

    def policy_in_force(self, host: str, *, at: datetime) -> PinningPolicy | None:
        """Return the host's own policy in force, or None."""
        with self.engine.connect() as connection:
            return policies.history_of(connection, host).in_force(at)

    def situation(self, host: str, *, at: datetime, past: bool = False) -> Situation | None:
        """Gather all that the verdict of a moment rests on; None where no policy was in force.

        Only what was received since the revision took effect, and by ``at``, counts as evidence for it. ``at`` is the
        present; with ``past`` it is a moment before, and the answer rests on what was known then.
        """
        with self.engine.connect() as connection:
            history = policies.history_of(connection, host, known_by=at if past else None)
            policy = history.in_force(at)
            if policy is None or policy.effective_from is None:
                return None
            since = policy.effective_from
            waiting = count_waiting(connection, host)
            evidence = (
                gather_past_evidence(connection, host, history, self.judge, since=since, until=at)
                if past
                else gather_evidence(connection, host, since=since, until=at)
            )
        chosen = self.settings
        limits = Thresholds(
            observation=timedelta(days=chosen.min_observation_days),
            sessions=chosen.min_sessions,
            probe_age=timedelta(hours=chosen.max_probe_age_hours),
            canary_age=timedelta(hours=chosen.max_canary_age_hours),
            lockout_share=chosen.max_lockout_percent / 100,
            interception_share=chosen.max_interception_percent / 100,
        )
        evidence = replace(evidence, live=self.last_seen(host, until=at), unevaluated=waiting)
        return Situation(policy, evidence, at, history, limits, self.catalog)

    def assess(self, host: str, *, at: datetime, past: bool = False) -> tuple[PinningPolicy, Readiness] | None:
        """Assess the policy in force now, or with ``past`` at a past moment; None where there was none."""
        situation = self.situation(host, at=at, past=past)
        return None if situation is None else (situation.policy, assess_readiness(situation))

    def record_verdict(self, host: str, *, at: datetime) -> Readiness | None:
        """Assess, and record the verdict where it differs from the last one; None where no policy is in force.

        While violations are being judged again nothing is recorded: that verdict is about the service, not the host.
        """
        situation = self.situation(host, at=at)
        if situation is None:
            return None
        policy, answer = situation.policy, assess_readiness(situation)
        if situation.evidence.unevaluated:
            return answer
        with writing(self.engine) as connection:
            record_verdict(connection, host, policy.revision, answer, at=at)
        return answer

    def record_verdicts(self, *, at: datetime) -> int:
        """Record the verdict on every host with a policy; return how many were assessed."""
        with self.engine.connect() as connection:
            hosts = policies.list_hosts_with_policy(connection)
        return sum(self.record_verdict(host, at=at) is not None for host in hosts)


def open_service(settings: Settings, metrics: Metrics) -> Service:
    """Open the store (upgrading an embedded one), load the trust anchors.

    Raises RuntimeError where a shared store's schema is behind.
    """
    engine = open_engine(settings.database_url)
    if engine.dialect.name == "sqlite":
        store_engine.upgrade(settings.database_url)
    elif not store_engine.schema_is_current(engine):
        raise RuntimeError("The store's schema is behind this program. Run: hpkp db upgrade")
    known = load_known_certificates(settings.trust_anchors, settings.known_certificates)
    catalog = load_catalog(settings.catalog)

    def judge_at(report: ViolationReport, history: PolicyHistory, received_at: int, at: int) -> Judgement:
        return judge(report, history, known, catalog, received_at=from_ms(received_at), at=from_ms(at))

    with engine.connect() as connection:
        metrics.count_canary(canaries.last_arrival(connection))
    watch = FoldWatch(settings.log_root, patience=settings.read_wait_seconds)
    return Service(settings, engine, known, catalog, judge_at, metrics, session_key(engine), watch)


def _before(at: datetime, days: float) -> int | None:
    """Return the instant so many days ago in milliseconds; None where things are kept for ever."""
    return to_ms(at - timedelta(days=days)) if days else None


def now() -> datetime:
    """Return the present moment, UTC."""
    return datetime.now(UTC)
