"""Samples of rejected submissions, safe to keep: no key material, no control characters."""

import re

from app.hpkp.errors import InvalidHost
from app.hpkp.hosts import canonical_host
from app.ingest.entry import RejectionEntry
from app.ingest.envelope import Envelope, Fate
from app.senders.other_kinds import is_refusal

_SAMPLE = 300
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_RUN = r"[A-Za-z0-9+/=_\\\r\n-]"
_KEY_LIKE = re.compile(rf"(?:[0-9A-Fa-f]{{2}}[:\s]+){{8,}}|{_RUN}{{20,}}(?:[\"', \t]++{_RUN}++(?!\"\s*:))*")
"""Base64, also in lines, in pieces and with the escapes of JSON; hexadecimal, also in pairs."""
_UNFINISHED = re.compile(rf"{_RUN}+\Z")
_MEMBER_NAME = re.compile(r"[a-z-]+")
_HOST_MEMBERS = tuple(
    re.compile(rb'"%b"\s*:\s*"([^"\\\s]{1,253})"' % name) for name in (b"noted-hostname", b"notedHostname", b"hostname")
)
"""Members that name a host, as their text: what is refused often cannot be parsed. The noted host's policy is meant."""


def describe_rejection(
    fate: Fate, envelope: Envelope, body: bytes, *, network: bytes, length: int | None = None, received_at: int
) -> RejectionEntry:
    """Return what is kept of a rejected submission; ``received_at`` in milliseconds since the Unix epoch."""
    return RejectionEntry(
        received_at=received_at,
        network=network,
        outcome=fate.outcome,
        reason=fate.reason[:500],
        length=len(body) if length is None else length,
        pointer=fate.pointer[:200] if fate.pointer else None,
        label=envelope.label,
        content_type=envelope.content_type,
        user_agent=envelope.user_agent,
        sample=sample_of(body),
        # Known to be of another kind: no violation report of any host was lost.
        host=None if is_refusal(fate.reason) else find_named_host(body),
    )


def find_named_host(body: bytes) -> str:
    """Return the host that a body which cannot be read as a report names in its text; empty if it names none."""
    for member in _HOST_MEMBERS:
        if found := member.search(body):
            try:
                return canonical_host(found[1].decode("utf-8"))
            except (InvalidHost, UnicodeDecodeError):
                continue
    return ""


def sample_of(body: bytes) -> str:
    """Return the beginning of a body, safe to keep; empty if that cannot be told."""
    # A character of UTF-8 has at most four bytes.
    head = body[: 4 * _SAMPLE]
    text = head.decode("utf-8", "replace")
    # What is binary may be a key in DER, what says "private" one in PEM: then nothing is kept.
    if _BINARY.search(head) or "private" in text.lower():
        return ""
    if len(body) > len(head):
        # The cut may leave the beginning of a key, too short to look like one.
        text = _UNFINISHED.sub("", text)
    # Names as long as `effective-expiration-date` look like Base64, and are what an operator looks for.
    text = _KEY_LIKE.sub(lambda run: run[0] if _MEMBER_NAME.fullmatch(run[0]) else "[…]", text)
    return "".join(c if c.isprintable() else " " for c in text[:_SAMPLE])
