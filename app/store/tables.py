"""The tables. Instants are integer milliseconds since the Unix epoch, UTC; digests are 32 raw bytes.

::

    certificates ─< chain_certificates >─ chains ─< violations ─< rollup_hours >─ sources
                                          │  ├──────< rollup_days      counts, and how much detail is kept
                                          │  ├──────< violation_networks, status_changes
                                          │  └──────< reports          bounded detail
    hosts ─< host_hours, host_days, host_clients                       the same counts, for a host as a whole
          ─< policy_revisions, probes (looks), live_keys, exposures, former_exposures, control_pins,
             control_exposures, canaries, verdicts, decision_days, refusal_decisions
    registered_releases ─< pin_layers ─< pin_entries                   what apps carry; installs, by app and day
                                          seen_submissions, log_marks, overflow_days, rejections, rejudgings, events,
                                          alerts, service_facts, secrets, tokens, sessions, login_links, clock
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

_ID = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts by itself only in a column that is exactly INTEGER, which there has 64 bits."""


def _big() -> Any:
    return Column(BigInteger, nullable=False)


def _id() -> Any:
    return Column(_ID, primary_key=True)


def _id_of(table: str, *, key: bool = False) -> Any:
    return Column(_ID, ForeignKey(f"{table}.id"), primary_key=key, nullable=False)


class Certificate(SQLModel, table=True):
    """A certificate, once, under the SHA-256 of its DER."""

    __tablename__ = "certificates"
    sha256: bytes = Field(sa_column=Column(LargeBinary(32), primary_key=True))
    der: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    pin: str | None = Field(default=None, index=True, max_length=44)
    subject: str | None = None
    issuer: str | None = None
    not_before: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    not_after: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    unreadable: str | None = None


class ChainRow(SQLModel, table=True):
    """A chain: its elements in order, ``{"sha256": hex}`` or ``{"unreadable": reason, "pin": …}``."""

    __tablename__ = "chains"
    digest: bytes = Field(sa_column=Column(LargeBinary(32), primary_key=True))
    elements: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))


class ChainCertificate(SQLModel, table=True):
    """A certificate that a chain contains: what no chain contains any more can be deleted."""

    __tablename__ = "chain_certificates"
    __table_args__ = (Index("ix_chain_certificates_chain", "chain"),)
    sha256: bytes = Field(sa_column=Column(LargeBinary(32), ForeignKey("certificates.sha256"), primary_key=True))
    chain: bytes = Field(sa_column=Column(LargeBinary(32), ForeignKey("chains.digest"), primary_key=True))


class HostRow(SQLModel, table=True):
    """A host for which a report or a policy was ever taken."""

    __tablename__ = "hosts"
    name: str = Field(primary_key=True, max_length=253)
    first_seen_at: int = Field(sa_column=_big())


class PolicyRevision(SQLModel, table=True):
    """One revision of a host's pinning policy; never changed, never removed."""

    __tablename__ = "policy_revisions"
    host: str = Field(primary_key=True, max_length=253, foreign_key="hosts.name")
    revision: int = Field(primary_key=True)
    pins: list[dict[str, str]] = Field(sa_column=Column(JSON, nullable=False))
    own_keys: list[str] = Field(sa_column=Column(JSON, nullable=False))
    include_subdomains: bool
    max_age: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    mode: str
    report_uri: str | None = None
    effective_from: int = Field(sa_column=_big())
    created_at: int = Field(sa_column=_big())
    withdrawn: bool = False


class ProbeRow(SQLModel, table=True):
    """What a host was seen to serve; looks that saw the same one after another are one row."""

    __tablename__ = "probes"
    __table_args__ = (Index("ix_probes_host_last", "host", "last_at"),)
    id: int | None = Field(default=None, sa_column=_id())
    host: str = Field(max_length=253, foreign_key="hosts.name")
    port: int
    first_at: int = Field(sa_column=_big())
    last_at: int = Field(sa_column=_big())
    looks: int = 1
    reached: bool
    """Whether any chain was seen."""
    seen: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    """``{"fault": …, "endpoints": [{"address", "chains": [hex], "answers": […], "faults": […]}]}``."""


class ProbeLook(SQLModel, table=True):
    """When one look was that saw what a probe's row says."""

    __tablename__ = "probe_looks"
    probe_id: int = Field(sa_column=_id_of("probes", key=True))
    at: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))


class LiveKey(SQLModel, table=True):
    """A leaf key that a host was seen to serve in a chain that held."""

    __tablename__ = "live_keys"
    host: str = Field(primary_key=True, max_length=253, foreign_key="hosts.name")
    pin: str = Field(primary_key=True, max_length=44)
    first_seen_at: int = Field(sa_column=_big())


class Exposure(SQLModel, table=True):
    """How many could have reported on a day: of the site itself (empty app), or of an app's version."""

    __tablename__ = "exposures"
    host: str = Field(primary_key=True, max_length=253, foreign_key="hosts.name")
    day: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    """Start of the day in milliseconds."""
    app: str = Field(default="", primary_key=True)
    app_version: str = Field(default="", primary_key=True)
    sessions: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    clients: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    """Distinct clients of that day."""
    origin: str = "api"
    """Who counted: ``api``, ``access-log``, ``prometheus``."""
    recorded_at: int = Field(sa_column=_big())


class FormerExposure(SQLModel, table=True):
    """What was known of a day from when it was recorded until other numbers took its place."""

    __tablename__ = "former_exposures"
    __table_args__ = (Index("ix_former_exposures_host_day", "host", "day"),)
    id: int | None = Field(default=None, sa_column=_id())
    host: str = Field(max_length=253, foreign_key="hosts.name")
    day: int = Field(sa_column=_big())
    app: str
    app_version: str
    sessions: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    clients: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    recorded_at: int = Field(sa_column=_big())
    replaced_at: int = Field(sa_column=_big())


class AppRelease(SQLModel, table=True):
    """The pins that a release of an app carries for a host, by the operator's word; the newest row holds."""

    __tablename__ = "app_releases"
    __table_args__ = (Index("ix_app_releases_host", "host"),)
    id: int | None = Field(default=None, sa_column=_id())
    host: str = Field(max_length=253, foreign_key="hosts.name")
    app: str
    app_version: str = ""
    """Empty for the app as a whole, whose installs are recorded without a version."""
    pins: list[str] = Field(sa_column=Column(JSON, nullable=False))
    """None at all for a release without pinning."""
    recorded_at: int = Field(sa_column=_big())


class ControlPin(SQLModel, table=True):
    """A control pin of a host: it matches nothing, and every client that knows it alone has to report."""

    __tablename__ = "control_pins"
    host: str = Field(primary_key=True, max_length=253, foreign_key="hosts.name")
    pin: str = Field(primary_key=True, max_length=44)
    domain: str = Field(default="", max_length=253)
    """A name below the host where clients know control pins alone; empty where the host itself serves them."""
    created_at: int = Field(sa_column=_big())


class ControlExposure(SQLModel, table=True):
    """How many clients received control pins on a day; of several rows of a day the latest counts."""

    __tablename__ = "control_exposures"
    host: str = Field(primary_key=True, max_length=253, foreign_key="hosts.name")
    day: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    """Start of the day in milliseconds."""
    app: str = Field(default="", primary_key=True)
    app_version: str = Field(default="", primary_key=True)
    recorded_at: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    clients: int = Field(sa_column=_big())
    origin: str = "api"
    """Who counted: ``api``, ``access-log``, ``installs``."""


class RegisteredRelease(SQLModel, table=True):
    """A release of an app on a platform; the pins that it carries are in its layers."""

    __tablename__ = "registered_releases"
    __table_args__ = (UniqueConstraint("app", "platform", "version"),)
    id: int | None = Field(default=None, sa_column=_id())
    app: str
    platform: str
    version: str
    builds: list[str] = Field(sa_column=Column(JSON, nullable=False))
    """Version codes, by which Google Play counts."""
    shipped_at: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    retired_at: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    recorded_at: int = Field(sa_column=_big())


class PinLayerRow(SQLModel, table=True):
    """One library or system of a release that compares pins; a chain must match all of a release's layers."""

    __tablename__ = "pin_layers"
    __table_args__ = (Index("ix_pin_layers_release", "release_id"),)
    id: int | None = Field(default=None, sa_column=_id())
    release_id: int = Field(sa_column=_id_of("registered_releases"))
    form: str
    local_roots_bypass: bool = False


class PinEntryRow(SQLModel, table=True):
    """The pins that a layer puts on a name, in the order of its file."""

    __tablename__ = "pin_entries"
    __table_args__ = (Index("ix_pin_entries_layer", "layer_id"), Index("ix_pin_entries_name", "name"))
    id: int | None = Field(default=None, sa_column=_id())
    layer_id: int = Field(sa_column=_id_of("pin_layers"))
    name: str = Field(max_length=253)
    scope: str
    mode: str
    pins: dict[str, list[str]] = Field(sa_column=Column(JSON, nullable=False))
    """Base64 by list: ``pins``, ``leaf_pins``, ``ca_pins``; of keys or of certificates, as the layer's form says."""
    expires_on: str | None = None
    """A date; the instant follows from the form."""
    report_uris: list[str] = Field(sa_column=Column(JSON, nullable=False))
    reports_to_vendor: bool = False


class InstallRow(SQLModel, table=True):
    """Installs of a version or a build of an app on a day; one of the two is empty."""

    __tablename__ = "installs"
    app: str = Field(primary_key=True)
    platform: str = Field(primary_key=True)
    day: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    """Start of the day in milliseconds."""
    version: str = Field(default="", primary_key=True)
    build: str = Field(default="", primary_key=True)
    total: int = Field(sa_column=_big())
    source: str
    is_lower_bound: bool = False
    recorded_at: int = Field(sa_column=_big())


class Canary(SQLModel, table=True):
    """A synthetic report sent through the public report-uri; received once, or never."""

    __tablename__ = "canaries"
    __table_args__ = (Index("ix_canaries_host_sent", "host", "sent_at"),)
    id: int | None = Field(default=None, sa_column=_id())
    host: str = Field(max_length=253, foreign_key="hosts.name")
    nonce: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False, unique=True))
    report_uri: str
    sent_at: int = Field(sa_column=_big())
    received_at: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    fault: str | None = None
    """Why it could not be sent, as far as the sending side saw."""


class VerdictRow(SQLModel, table=True):
    """A verdict on a host, kept where it or its findings are others than before."""

    __tablename__ = "verdicts"
    __table_args__ = (Index("ix_verdicts_host_at", "host", "at"),)
    id: int | None = Field(default=None, sa_column=_id())
    host: str = Field(max_length=253, foreign_key="hosts.name")
    at: int = Field(sa_column=_big())
    revision: int
    verdict: str
    headline: str
    """With the numbers of the last assessment that came to this verdict."""
    findings: dict[str, str] = Field(sa_column=Column(JSON, nullable=False))
    """Severity by code."""
    change: str = ""
    """What is new and what is gone since the verdict before."""
    next_step: str | None = None
    """The step that the plan recommended with the last assessment that came to this verdict; NULL in old records."""


class DecisionDay(SQLModel, table=True):
    """What the last assessment of a day came to for one audience, as numbers."""

    __tablename__ = "decision_days"
    host: str = Field(primary_key=True, max_length=253, foreign_key="hosts.name")
    day: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    audience: str = Field(primary_key=True)
    """As answers name it: ``the site``, or an app and its version."""
    app: str = Field(default="", primary_key=True)
    app_version: str = Field(default="", primary_key=True)
    """Part of the key, because two releases may have one name in a sentence."""
    at: int = Field(sa_column=_big())
    """The assessment since which these are the numbers of the day."""
    revision: int
    verdict: str
    locked_out: int
    """Clients that reported a configuration error: a lower bound."""
    exposed: int | None = None
    """Clients of the busiest covered day; NULL without a covered day."""
    share: float | None = None
    upper: float | None = None
    """The bound of the share with 95% confidence; NULL where there is none."""
    share_limit: float
    delivery: float | None = None
    """Lower bound of the share of clients that report; NULL where it was not measured."""
    covered_days: int
    needed_days: int
    criteria: dict[str, str] = Field(sa_column=Column(JSON, nullable=False))
    """How each criterion stands (`app.hpkp.readiness.criteria`)."""


class AlertRow(SQLModel, table=True):
    """Something that somebody is told of, until it is over."""

    __tablename__ = "alerts"
    __table_args__ = (Index("ix_alerts_first", "first_at"),)
    id: int | None = Field(default=None, sa_column=_id())
    kind: str
    host: str = Field(default="", max_length=253)
    """Empty for what is about the service itself."""
    key: str
    text: str
    first_at: int = Field(sa_column=_big())
    sent_at: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    resolved_at: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))


class Violation(SQLModel, table=True):
    """The distinct fact that reports repeat, judged once."""

    __tablename__ = "violations"
    __table_args__ = (
        Index("ix_violations_host_last", "host", "last_received_at"),
        Index("ix_violations_host_first", "host", "first_received_at"),
        Index("ix_violations_first", "first_received_at"),
        Index("ix_violations_hostname", "hostname"),
        Index("ix_violations_served_chain", "served_chain"),
        Index("ix_violations_validated_chain", "validated_chain"),
    )
    id: int | None = Field(default=None, sa_column=_id())
    identity: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False, unique=True))
    host: str = Field(max_length=253, foreign_key="hosts.name")
    """The Pinned Host under which it is counted: where a policy covers it, else the noted host."""
    hostname: str = Field(max_length=253)
    port: int | None = None
    noted_hostname: str | None = None
    include_subdomains: bool | None = None
    mode: str | None = None
    sender: str
    sender_result: str | None = None
    known_pins: list[str] = Field(sa_column=Column(JSON, nullable=False))
    unreadable_pins: list[str] = Field(sa_column=Column(JSON, nullable=False))
    contradictions: list[str] = Field(sa_column=Column(JSON, nullable=False, server_default="[]"))
    """What in the form does not fit the sender that it claims."""
    app: str | None = None
    """The app that carries the known pins; NULL if the sender names none, or the pins come with a header."""
    served_chain: bytes | None = Field(default=None, sa_column=Column(LargeBinary(32), nullable=True))
    validated_chain: bytes | None = Field(default=None, sa_column=Column(LargeBinary(32), nullable=True))
    date_time: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    """The sender's clock in the first report; it stands for all of them, whose paths were as valid at their own."""
    cause: str = Field(index=True)
    locks_out: bool | None = None
    """Whether enforcing would lock the client out, as the judgement says."""
    checked_leaf: bytes | None = Field(default=None, sa_column=Column(LargeBinary(32), nullable=True))
    """SHA-256 of the leaf of evidence that cannot be forged, see `app.hpkp.judgement.checked`; it stays longest."""
    counts: bool | None = None
    """Whether it counted for the verdict when the host was last assessed; NULL before."""
    leaf_issuer: str | None = None
    """Issuer of the leaf of the chain that was evaluated; lists merge violations by it."""
    judgement: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    judged_at: int = Field(sa_column=_big())
    first_received_at: int = Field(sa_column=_big())
    last_received_at: int = Field(sa_column=_big())
    reports: int = Field(default=0, sa_column=_big())
    raw_bodies: int = 0
    clients: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    """Distinct clients of its whole life, as the sketch estimates them."""
    client_sketch: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    status: str = "open"
    note: str = ""


class Rejudging(SQLModel, table=True):
    """Violations that are to be judged again, and how far that is; removed when it is done."""

    __tablename__ = "rejudgings"
    host: str = Field(primary_key=True, max_length=253)
    """Of this host and the names below it; empty: of all."""
    knowledge: str = ""
    """Name of the roots, catalogs and rules that all are judged by again; empty where a policy changed."""
    requested_at: int = Field(sa_column=_big())
    cursor: int = Field(sa_column=_big())
    """Id of the last violation that is done; 0 at the beginning."""
    last_id: int = Field(sa_column=_big())
    """The newest violation when it was requested; those that came later are judged by the same already."""
    judged: int = 0
    changes: dict[str, int] = Field(sa_column=Column(JSON, nullable=False))
    """How many changed, by ``cause -> other cause``."""
    moved: list[str] = Field(sa_column=Column(JSON, nullable=False))
    """Hosts that lost or got violations, whose clients are still to be counted again."""
    version: int = 0
    """Goes up with every change of the row: who read another one writes nothing."""


class Source(SQLModel, table=True):
    """What a report came from besides the violation; bounded, the rest falls under the empty source."""

    __tablename__ = "sources"
    __table_args__ = (UniqueConstraint("app", "app_version", "platform", "label"),)
    id: int | None = Field(default=None, sa_column=_id())
    app: str = ""
    app_version: str = ""
    platform: str = ""
    label: str = ""


class RollupHour(SQLModel, table=True):
    """Reports per violation, hour and source; every report is counted here."""

    __tablename__ = "rollup_hours"
    __table_args__ = (Index("ix_rollup_hours_source", "source_id"),)
    violation_id: int = Field(sa_column=_id_of("violations", key=True))
    hour: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    """Start of the hour in milliseconds."""
    source_id: int = Field(sa_column=_id_of("sources", key=True))
    reports: int = Field(sa_column=_big())


class RollupDay(SQLModel, table=True):
    """Reports per violation and day, and how much detail of that day is kept."""

    __tablename__ = "rollup_days"
    violation_id: int = Field(sa_column=_id_of("violations", key=True))
    day: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    """Start of the day in milliseconds."""
    reports: int = Field(sa_column=_big())
    rows_kept: int = 0
    clients: int = 0
    """Distinct clients of the day, as the sketch estimates them."""
    client_sketch: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))


class HostHour(SQLModel, table=True):
    """Reports per host and hour, by what is asked of them most; they follow when a violation is judged again."""

    __tablename__ = "host_hours"
    host: str = Field(primary_key=True, max_length=253, foreign_key="hosts.name")
    hour: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    """Start of the hour in milliseconds."""
    cause: str = Field(primary_key=True)
    sender: str = Field(primary_key=True)
    mode: str = Field(primary_key=True)
    """Empty where it is not known."""
    reports: int = Field(sa_column=_big())


class HostDay(SQLModel, table=True):
    """Reports per host and day, as `HostHour` has them per hour."""

    __tablename__ = "host_days"
    host: str = Field(primary_key=True, max_length=253, foreign_key="hosts.name")
    day: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    """Start of the day in milliseconds."""
    cause: str = Field(primary_key=True)
    sender: str = Field(primary_key=True)
    mode: str = Field(primary_key=True)
    """Empty where it is not known."""
    reports: int = Field(sa_column=_big())


class HostClients(SQLModel, table=True):
    """Distinct clients that reported anything of a host on a day, as the sketch estimates them."""

    __tablename__ = "host_clients"
    host: str = Field(primary_key=True, max_length=253, foreign_key="hosts.name")
    day: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    """Start of the day in milliseconds."""
    clients: int
    client_sketch: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class ViolationNetwork(SQLModel, table=True):
    """One of the first few networks (keyed hash) from which a violation was reported."""

    __tablename__ = "violation_networks"
    violation_id: int = Field(sa_column=_id_of("violations", key=True))
    network: bytes = Field(sa_column=Column(LargeBinary(8), primary_key=True))
    first_at: int = Field(sa_column=_big())


class StatusChange(SQLModel, table=True):
    """When somebody gave a violation another status or note."""

    __tablename__ = "status_changes"
    __table_args__ = (Index("ix_status_changes_violation", "violation_id", "at"),)
    id: int | None = Field(default=None, sa_column=_id())
    violation_id: int = Field(sa_column=_id_of("violations"))
    at: int = Field(sa_column=_big())
    was: str
    """The status before."""
    status: str
    note: str = ""
    clients: int | None = None
    """What `expected` and `ignored` are measured by, see `app.hpkp.readiness.decisions`; NULL for others."""
    cause: str | None = None
    """The cause of the violation then; NULL if it was not recorded yet."""


class Report(SQLModel, table=True):
    """One submission, kept up to a limit per violation and day."""

    __tablename__ = "reports"
    __table_args__ = (Index("ix_reports_violation", "violation_id", "id"), Index("ix_reports_source", "source_id"))
    id: int | None = Field(default=None, sa_column=_id())
    violation_id: int = Field(sa_column=_id_of("violations"))
    source_id: int = Field(sa_column=_id_of("sources"))
    received_at: int = Field(sa_column=_big())
    date_time: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    date_time_text: str | None = None
    effective_expiration_text: str | None = None
    platform_version: str | None = None
    user_agent: str | None = None
    body: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    body_packing: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    """How the body is packed, see `app.store.body_packing`."""


class SeenSubmission(SQLModel, table=True):
    """What was taken in the last 24 hours, so that a retry counts once."""

    __tablename__ = "seen_submissions"
    digest: bytes = Field(sa_column=Column(LargeBinary(16), primary_key=True))
    received_at: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))


class LogMark(SQLModel, table=True):
    """How far an ingest log is folded; moves in the transaction that counts."""

    __tablename__ = "log_marks"
    log_id: bytes = Field(sa_column=Column(LargeBinary(16), primary_key=True))
    segment: int = Field(sa_column=_big())
    byte_offset: int = Field(sa_column=_big())
    sequence: int = Field(sa_column=_big())
    """How many entries were folded since the log began."""
    newest_received_at: int = Field(sa_column=_big())
    updated_at: int = Field(sa_column=_big())


class OverflowDay(SQLModel, table=True):
    """Reports over a limit, and refused submissions, per host, day and reason: counted, nothing else of them kept."""

    __tablename__ = "overflow_days"
    host: str = Field(primary_key=True, max_length=253)
    """Empty for all hosts that are not in ``hosts``, and for refused submissions that name none."""
    day: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    """Start of the day in milliseconds."""
    reason: str = Field(primary_key=True)
    reports: int = Field(sa_column=_big())
    networks: int
    """Distinct networks, as the sketch estimates them."""
    network_sketch: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    last_at: int = Field(sa_column=_big())


class RefusalDecisionRow(SQLModel, table=True):
    """An operator's decision on what was refused for a host, with what had been seen then; the last one holds."""

    __tablename__ = "refusal_decisions"
    __table_args__ = (Index("ix_refusal_decisions_host_at", "host", "at"),)
    id: int | None = Field(default=None, sa_column=_id())
    host: str = Field(max_length=253, foreign_key="hosts.name")
    at: int = Field(sa_column=_big())
    networks: int | None = None
    """From how many networks it had come; NULL takes the decision before back."""
    note: str = ""


class Rejection(SQLModel, table=True):
    """A submission that was not taken, with the reason; a bounded number is kept."""

    __tablename__ = "rejections"
    id: int | None = Field(default=None, sa_column=_id())
    received_at: int = Field(sa_column=_big())
    outcome: str
    reason: str
    pointer: str | None = None
    label: str = ""
    content_type: str | None = None
    user_agent: str | None = None
    length: int = Field(sa_column=Column(_ID, nullable=False))
    sample: str = ""


class Event(SQLModel, table=True):
    """Something that happened to a host, for annotations."""

    __tablename__ = "events"
    id: int | None = Field(default=None, sa_column=_id())
    at: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))
    kind: str
    host: str | None = Field(default=None, index=True)
    text: str
    actor: str | None = None
    """The name of the token or log-in that did it; NULL for what the service did or saw by itself."""


class ServiceFact(SQLModel, table=True):
    """A fact of the service that writes this store, for readers that do not know its settings."""

    __tablename__ = "service_facts"
    name: str = Field(primary_key=True)
    """``public_url``."""
    value: str


class Secret(SQLModel, table=True):
    """Keys that the service makes for itself, such as the one for client hashes."""

    __tablename__ = "secrets"
    name: str = Field(primary_key=True)
    value: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Token(SQLModel, table=True):
    """An API token: only its hash is kept."""

    __tablename__ = "tokens"
    name: str = Field(primary_key=True, max_length=100)
    scope: str
    sha256: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False, unique=True))
    created_at: int = Field(sa_column=_big())
    expires_at: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    last_used_at: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    """The beginning of the hour in which it was last used."""


class SessionRow(SQLModel, table=True):
    """A log-in to the pages: only the hash of its cookie is kept."""

    __tablename__ = "sessions"
    sha256: bytes = Field(sa_column=Column(LargeBinary(32), primary_key=True))
    name: str = Field(max_length=100)
    scope: str
    token: str | None = Field(default=None, max_length=100, foreign_key="tokens.name", ondelete="CASCADE", index=True)
    """The API token that it began with and ends with; NULL for a link."""
    expires_at: int = Field(sa_column=_big())


class LoginLink(SQLModel, table=True):
    """A one-time link that begins a session: only the hash of its secret is kept."""

    __tablename__ = "login_links"
    sha256: bytes = Field(sa_column=Column(LargeBinary(32), primary_key=True))
    name: str = Field(max_length=100)
    scope: str
    expires_at: int = Field(sa_column=_big())


class ClockRow(SQLModel, table=True):
    """What is known of the collector's clock; one row, see `app.hpkp.clock.ClockHistory`."""

    __tablename__ = "clock"
    id: int = Field(primary_key=True)
    shown_at: int = Field(sa_column=_big())
    newest_received_at: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    confirmed_received_at: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))


def _table(model: type[SQLModel]) -> Table:
    return SQLModel.metadata.tables[str(model.__tablename__)]


# What statements are made of; the models above say what the columns mean.
certificates = _table(Certificate)
chains = _table(ChainRow)
chain_certificates = _table(ChainCertificate)
hosts = _table(HostRow)
policy_revisions = _table(PolicyRevision)
probes = _table(ProbeRow)
probe_looks = _table(ProbeLook)
live_keys = _table(LiveKey)
exposures = _table(Exposure)
former_exposures = _table(FormerExposure)
app_releases = _table(AppRelease)
control_pins = _table(ControlPin)
control_exposures = _table(ControlExposure)
registered_releases = _table(RegisteredRelease)
pin_layers = _table(PinLayerRow)
pin_entries = _table(PinEntryRow)
installs = _table(InstallRow)
canaries = _table(Canary)
verdicts = _table(VerdictRow)
decision_days = _table(DecisionDay)
alerts = _table(AlertRow)
violations = _table(Violation)
rejudgings = _table(Rejudging)
sources = _table(Source)
rollup_hours = _table(RollupHour)
rollup_days = _table(RollupDay)
host_hours = _table(HostHour)
host_days = _table(HostDay)
host_clients = _table(HostClients)
violation_networks = _table(ViolationNetwork)
status_changes = _table(StatusChange)
reports = _table(Report)
seen_submissions = _table(SeenSubmission)
log_marks = _table(LogMark)
overflow_days = _table(OverflowDay)
refusal_decisions = _table(RefusalDecisionRow)
rejections = _table(Rejection)
events = _table(Event)
service_facts = _table(ServiceFact)
secrets = _table(Secret)
tokens = _table(Token)
sessions = _table(SessionRow)
login_links = _table(LoginLink)
clock = _table(ClockRow)
