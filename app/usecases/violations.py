"""List and show violations with their single reports and certificates, and set their status."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine

from app.hpkp.catalog import Catalog
from app.hpkp.judgement.judge import CertificateFinding
from app.hpkp.report import ViolationReport
from app.hpkp.violation_status import Status
from app.hpkp.x509.anchors import Anchor, KnownCertificates
from app.hpkp.x509.certificate import Certificate, Element
from app.store.engine import writing
from app.store.read import reported, single_reports
from app.store.read import violations as store
from app.store.read.affected import Affected, find_affected
from app.store.read.filters import Filter
from app.store.read.report_bodies import load_report_body
from app.store.read.single_reports import SingleReport
from app.store.read.violation_groups import Groups, Order, find_keys, list_groups, list_ids
from app.store.read.violations import Violation
from app.store.write.statuses import set_status, set_statuses
from app.usecases.readiness import ReadinessAssessor

MOST_CHANGED = 1000
"""How many violations one request may change: they change in one transaction, and ingest waits for it."""

_RECORDED_AT_ONCE = 20
"""Hosts whose verdicts a request records, in some 20 ms each; those of the others follow at the next interval."""


@dataclass(frozen=True, slots=True)
class AnnotatedCertificate:
    """A certificate of a chain: as it was sent, where it stands towards the pins, and what else is known of its key."""

    element: Element
    finding: CertificateFinding
    public_root: bool
    ca_names: tuple[str, ...]
    known_bad: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ViolationDetail:
    """A violation with both chains; None: the sender sent none."""

    violation: Violation
    served: tuple[AnnotatedCertificate, ...] | None
    validated: tuple[AnnotatedCertificate, ...] | None


@dataclass(frozen=True, slots=True)
class StatusesNotSet:
    """No violation has this id, so nothing was changed."""

    unknown: int


@dataclass(frozen=True, slots=True)
class Violations:
    """The violations of all hosts."""

    engine: Engine
    known: KnownCertificates
    catalog: Catalog
    readiness: ReadinessAssessor

    def list(self, wanted: Filter, *, limit: int, before: tuple[int, int] | None = None) -> Sequence[Violation]:
        """Return violations, the latest reported first; ``before`` is the cursor of the last one seen."""
        with self.engine.connect() as connection:
            return store.list_violations(connection, wanted, limit=limit, before=before)

    def list_groups(self, wanted: Filter, *, order: Order, merged: bool, limit: int, offset: int) -> Groups:
        """Return a page of violations; ``merged`` by host, cause, issuer and status."""
        with self.engine.connect() as connection:
            return list_groups(connection, wanted, order=order, merged=merged, limit=limit, offset=offset)

    def list_chosen(
        self, wanted: Filter, chosen: Iterable[int], *, merged: bool, everything: bool = False
    ) -> Sequence[int]:
        """Return the violations that rows of a list represent; ``chosen`` is one violation of each row.

        ``merged`` rows represent all wanted violations of their group. At most `MOST_CHANGED` and one more.
        """
        limit = MOST_CHANGED + 1
        with self.engine.connect() as connection:
            if everything:
                return list_ids(connection, wanted, None, limit=limit)
            ids = sorted(set(chosen))[:limit]
            if not merged:
                return ids
            keys = find_keys(connection, ids)
            return list_ids(connection, wanted, keys, limit=limit) if keys else ()

    def find(self, violation_id: int, *, at: datetime) -> ViolationDetail | None:
        """Return a violation with both chains, each certificate annotated by what is known at a moment, or None."""
        with self.engine.connect() as connection:
            return self._find(connection, violation_id, at)

    def find_listed(self, violation_id: int) -> Violation | None:
        """Return a violation without its chains, or None."""
        with self.engine.connect() as connection:
            return store.find_violation(connection, violation_id)

    def find_affected(self, violation_id: int, *, hourly: bool) -> Affected:
        """Return whom a violation affects; nothing at all for one that does not exist."""
        with self.engine.connect() as connection:
            return find_affected(connection, violation_id, hourly=hourly)

    def load_report(self, violation_id: int) -> ViolationReport | None:
        """Return the report that a violation was judged by, or None."""
        with self.engine.connect() as connection:
            return reported.load_report(connection, violation_id)

    def set_status(
        self, violation_id: int, *, status: str | None, note: str | None, at: datetime, actor: str | None = None
    ) -> ViolationDetail | None:
        """Set status, note, or both; return the violation, None if there is none. The verdict is recorded then."""
        with writing(self.engine) as connection:
            if not set_status(connection, violation_id, status=status, note=note, at=at, actor=actor):
                return None
            changed = self._find(connection, violation_id, at)
        if changed is not None and status is not None:
            self.readiness.record(changed.violation.host, at=at)
        return changed

    def set_statuses(
        self, ids: Iterable[int], *, status: Status, note: str | None, at: datetime, actor: str | None = None
    ) -> StatusesNotSet | None:
        """Set the status of all of these, or of none if one of them does not exist; then record their verdicts."""
        hosts: set[str] = set()
        with writing(self.engine) as connection:
            chosen = {id_: store.find_violation(connection, id_) for id_ in ids}
            for id_, found in chosen.items():
                if found is None:
                    return StatusesNotSet(id_)
                hosts.add(found.host)
            set_statuses(connection, tuple(chosen), status=status, note=note, at=at, actor=actor)
        for host in sorted(hosts)[:_RECORDED_AT_ONCE]:
            self.readiness.record(host, at=at)
        return None

    def list_reports(
        self, violation_id: int, wanted: Filter, *, limit: int, before: int | None = None
    ) -> Sequence[SingleReport] | None:
        """Return single reports of a violation, the newest first; None if there is no such violation."""
        with self.engine.connect() as connection:
            if store.find_violation(connection, violation_id) is None:
                return None
            return single_reports.list_reports(connection, violation_id, wanted, limit=limit, before=before)

    def find_report(self, report_id: int) -> tuple[SingleReport, bytes | None] | None:
        """Return one report with its raw body, if that is kept; None if there is no such report."""
        with self.engine.connect() as connection:
            found = single_reports.find_report(connection, report_id)
            return None if found is None else (found, load_report_body(connection, report_id))

    def load_certificate(self, sha256: bytes) -> bytes | None:
        """Return a certificate's DER, or None."""
        with self.engine.connect() as connection:
            return reported.load_certificate(connection, sha256)

    def _find(self, connection: Connection, violation_id: int, at: datetime) -> ViolationDetail | None:
        found = store.find_violation(connection, violation_id)
        if found is None:
            return None

        def annotated(
            digest: bytes | None, findings: Iterable[CertificateFinding]
        ) -> tuple[AnnotatedCertificate, ...] | None:
            chain = reported.load_chain(connection, digest)
            if chain is None:
                return None
            return tuple(self._annotate(*both, at) for both in zip(chain, findings, strict=True))

        return ViolationDetail(
            found,
            served=annotated(found.served_chain, found.judgement.served),
            validated=annotated(found.validated_chain, found.judgement.validated),
        )

    def _annotate(self, element: Element, finding: CertificateFinding, at: datetime) -> AnnotatedCertificate:
        pin = element.pin
        return AnnotatedCertificate(
            element,
            finding,
            public_root=isinstance(element, Certificate) and self.known.anchor_kind(element, at) is Anchor.PUBLIC,
            ca_names=() if pin is None else tuple(f"{ca.name} ({ca.state})" for ca in self.catalog.ca_names_of(pin)),
            known_bad=() if pin is None else tuple(key.name for key in self.catalog.known_bad.get(pin, ())),
        )
