"""The one fate of each submission, and why connections are closed. The members are the labels of counters."""

from enum import StrEnum


class Outcome(StrEnum):
    """Exactly one of these for every request to ``/report``."""

    ACCEPTED = "accepted"
    """Durable in the ingest log. The fold counts it as a report, as a retry or as overflow."""
    FOREIGN_TYPE = "foreign_type"
    """A Reporting API batch of types that are not known here alone; answered as taken, nothing stored."""
    CANARY = "canary"
    """A canary signed by this service: proof that reports arrive, never counted as one."""
    CANARY_REFUSED = "canary_refused"
    """Something that passes itself off as a canary: forged or too old."""
    UNREADABLE = "unreadable"
    """Not JSON, or empty."""
    NOT_A_REPORT = "not_a_report"
    """JSON, but no pin violation report."""
    TOO_LARGE = "too_large"
    """Longer than the limit."""
    TOO_SLOW = "too_slow"
    """Not complete within the time that a sender has."""
    CONTENT_ENCODING = "content_encoding"
    """Compressed; senders of these reports do not compress."""
    UNKNOWN_HOST = "unknown_host"
    """For a host without a policy, refused by setting."""
    STORE_UNAVAILABLE = "store_unavailable"
    """The ingest log is full, its disk fails, or too many wait for it; the sender may try again."""
    METHOD_NOT_ALLOWED = "method_not_allowed"
    """Neither POST nor OPTIONS."""
    BAD_REQUEST = "bad_request"
    """The path or the query is wrong."""
    DISCONNECTED = "disconnected"
    """The sender went away before the body was complete."""
    PREFLIGHT = "preflight"
    """An OPTIONS request."""
    FAULT = "fault"
    """A mistake in this service: nothing was stored."""


class Closed(StrEnum):
    """Why a connection was closed that its sender would have kept; the label of a metric."""

    TOO_MANY = "too_many"
    TOO_MANY_FROM_ADDRESS = "too_many_from_address"
    HEAD_TOO_SLOW = "head_too_slow"
    BODY_TOO_SLOW = "body_too_slow"
    ANSWER_NOT_READ = "answer_not_read"
    HEAD_TOO_LONG = "head_too_long"
    REQUEST_TOO_LONG = "request_too_long"
    NO_HTTP = "no_http"
