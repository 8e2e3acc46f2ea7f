"""What goes over the API: request and response models. Conversions stand with the routes."""

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from app.api.problems import MEDIA_TYPE, PROBLEM
from app.api.values import JSON_NUMBER, Flag, Instant, PinText
from app.hpkp.judgement.causes import Attribution, Cause
from app.hpkp.policy import Mode
from app.hpkp.violation_status import Status
from app.usecases.violations import MOST_CHANGED

T = TypeVar("T")

ViolationId = Annotated[int, Field(ge=1, le=2**53 - 1), JSON_NUMBER]
"""The largest is what JSON readers keep exactly (RFC 8259 section 6)."""


def describe_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI descriptions of a route's problems; 401, 403 and 422 are always among them."""
    content = {MEDIA_TYPE: {"schema": PROBLEM}}
    return {status: {"description": _DESCRIPTIONS[status], "content": content} for status in (401, 403, 422, *statuses)}


_DESCRIPTIONS = {
    400: "Invalid JSON.",
    401: "No valid API token.",
    403: "Token scope not sufficient.",
    404: "Not found.",
    413: "Request too large.",
    422: "Invalid request; see `errors`.",
    503: "Database unavailable, or too many expensive reads at once.",
}


class Page(BaseModel, Generic[T]):
    """One page of a list. ``next`` goes into ``cursor`` for the following one; it is also in the Link header."""

    items: list[T]
    next: str | None = None


class PolicyPin(BaseModel):
    """An expected pin."""

    sha256: PinText = Field(description='The pin: base64 of 32 bytes; `pin-sha256="…"` and `sha256/…` are read too.')
    label: str = Field("", max_length=200, description="Label of the key.")


class PolicyRequest(BaseModel):
    """A policy to set: by its parts, or by the header that the host serves."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "pins": [
                        {"sha256": "sRHdihwgkaib1P1gxX8HFszlD+7/gTfNvuAybgLPNis=", "label": "live key"},
                        {"sha256": "C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M=", "label": "backup key"},
                    ],
                    "max_age": 5184000,
                    "mode": "report-only",
                    "report_uri": "https://reports.example.net/report",
                }
            ]
        },
    )

    pins: list[PolicyPin] | None = Field(None, max_length=64)
    header: str | None = Field(None, max_length=8192, description="A Public-Key-Pins value, instead of pins.")
    include_subdomains: Flag | None = None
    max_age: Annotated[int, Field(ge=0, le=10**10), JSON_NUMBER] | None = Field(None, description="Seconds.")
    mode: Mode = Mode.REPORT_ONLY
    report_uri: str | None = Field(None, max_length=2048)
    own_keys: list[PinText] = Field([], max_length=256, description="Pins of keys that you hold but do not pin.")
    effective_from: Instant | None = Field(None, description="When the host began to serve it; the past is allowed.")


class PolicyResponse(BaseModel):
    """A revision of a pinning policy."""

    host: str
    revision: int
    pins: list[PolicyPin]
    include_subdomains: bool
    max_age: int | None
    mode: Mode
    report_uri: str | None
    own_keys: list[str]
    effective_from: datetime
    withdrawn: bool
    header: str = Field(description="The value of the header for this policy.")


class PolicySetResponse(PolicyResponse):
    """The revision that was set, and how far the host's violations are judged by it."""

    violations_to_reevaluate: int = Field(
        description="Violations still judged by what was before; the service goes on with them."
    )


class HostResponse(BaseModel):
    """A host. Reports are a lower bound: senders suppress repetitions."""

    host: str
    registered: bool = Field(description="Whether it ever had a policy.")
    first_seen_at: datetime
    last_received_at: datetime | None
    reports: int
    violations: int


class Totals(BaseModel):
    """Totals of the window; reports and clients are lower bounds."""

    reports: int
    violations: int
    clients: int = Field(description="Distinct installs or addresses, by whole days; a lower bound.")


class SeriesPoint(BaseModel):
    """Reports of one cause in one interval of receipt."""

    time: datetime
    cause: str
    reports: int


class TopViolation(BaseModel):
    """A violation with many reports."""

    id: int
    cause: str
    reports: int


class SummaryResponse(BaseModel):
    """What was reported for a host."""

    host: str
    counted_until: datetime = Field(description="Everything accepted until then is counted.")
    totals: Totals
    by_cause: dict[str, int]
    by_sender: dict[str, int]
    series: list[SeriesPoint]
    top: list[TopViolation]
    caveat: str = (
        "Counts are lower bounds: senders suppress repetitions (Chromium for 60 minutes, TrustKit for 24 hours), and "
        "reports get lost."
    )


class AnnotatedCertificate(BaseModel):
    """A certificate of a chain, and which pins it matches."""

    position: int
    sha256: str | None = None
    subject: str | None = None
    issuer: str | None = None
    names: list[str] = []
    serial_number: str | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    signature_hash: str | None = None
    key: str | None = Field(None, description="Kind of key, such as `EC secp256r1`.")
    pin: str | None = None
    in_known_pins: bool
    in_expected_pins: bool
    in_former_pins: bool
    own_key: bool
    on_path: bool
    public_root: bool = False
    ca_names: list[str] = Field([], description="Names under which the key is known as a CA's, with its state.")
    known_bad: list[str] = Field([], description="Why the key counts as compromised or misused.")
    failing: bool
    unreadable: str | None = None


class ReasonResponse(BaseModel):
    """A rule that holds, in one sentence."""

    cause: Cause
    why: str


class ViolationResponse(BaseModel):
    """A violation. Reports and clients are lower bounds."""

    id: int
    host: str
    hostname: str
    port: int | None
    noted_hostname: str | None
    include_subdomains: bool | None
    mode: str | None
    sender: str
    sender_result: str | None
    cause: Cause
    why: str
    side: Attribution = Field(
        description="Who caused the violation: your configuration, TLS interception, or a possible attacker."
    )
    also: list[ReasonResponse] = Field(description="The other rules that hold.")
    notes: list[str] = Field(description="Notes on the chain.")
    locks_out: bool | None = Field(
        description="Whether a client of the sender's kind, enforcing the expected pins now in force, would fail this "
        "connection because of them; null if unknown."
    )
    locks_out_why: str
    product: str | None = Field(description="Interception product that the leaf's issuer names; names can be forged.")
    judged_chain: str | None
    anchor: str
    anchor_subject: str | None
    path_checkable: bool
    policy_revision: int | None
    known_pins: list[str]
    unreadable_pins: list[str]
    reports: int
    clients: int
    first_received_at: datetime
    last_received_at: datetime
    judged_at: datetime
    status: Status
    note: str
    counts: bool = Field(
        description="Whether it counts for the host's verdict now: what is open or reopened, and was reported since "
        "clients see the pins of the policy."
    )
    left_out: bool = Field(
        description="It is open and does not count for the verdict: it comes only from networks whose reports of the "
        "same cause are `ignored`."
    )


class ViolationDetail(ViolationResponse):
    """A violation with its chains."""

    served_chain: list[AnnotatedCertificate] | None
    validated_chain: list[AnnotatedCertificate] | None


class StatusRequest(BaseModel):
    """A change of status or note."""

    model_config = ConfigDict(extra="forbid")

    status: Status | None = None
    note: str | None = Field(None, max_length=4000)


class StatusesRequest(BaseModel):
    """A change of status or note of many violations."""

    model_config = ConfigDict(extra="forbid")

    ids: list[ViolationId] = Field(min_length=1, max_length=MOST_CHANGED, description="Violations; all or none change.")
    status: Status
    note: str | None = Field(None, max_length=4000, description="Left out: each violation keeps its note.")


class StatusesResponse(BaseModel):
    """How many violations have the status now."""

    status: Status
    changed: int


class HostDeletionResponse(BaseModel):
    """What was deleted with a host. Reports are a lower bound; most of them were only counted."""

    host: str
    violations: int
    reports: int
    policy_revisions: int
    exposure_days: int


class ReportResponse(BaseModel):
    """A single report; the raw body is kept for the first few of each violation."""

    id: int
    violation_id: int
    received_at: datetime
    date_time: datetime | None
    date_time_text: str | None
    effective_expiration_text: str | None
    app: str
    app_version: str
    platform: str
    platform_version: str | None
    label: str
    user_agent: str | None
    body: str | None = None


class RejectionResponse(BaseModel):
    """A rejected request."""

    id: int
    received_at: datetime
    outcome: str
    reason: str
    pointer: str | None
    label: str
    content_type: str | None
    user_agent: str | None
    length: int
    sample: str


class CertificateResponse(BaseModel):
    """A certificate."""

    sha256: str
    pin: str | None
    subject: str | None = None
    issuer: str | None = None
    names: list[str] = []
    serial_number: str | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    key: str | None = Field(None, description="Kind of key, such as `EC secp256r1`.")
    unreadable: str | None = None
    pem: str


class FindingResponse(BaseModel):
    """A reason of the verdict."""

    code: str
    title: str = Field(description="Title.")
    severity: Literal["blocker", "caution", "info"]
    message: str
    evidence: dict[str, Any]
    fix: str
    withholds: bool = Field(description="Whether this missing evidence alone prevents `ready`.")
