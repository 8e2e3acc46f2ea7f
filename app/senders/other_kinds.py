"""Reports of other kinds, told by their form, so that a refusal can say what arrived.

Sites send all kinds to one address, and two look much like a pin violation: Chromium's Expect-CT and Expect-Staple
reports carry both chains (transport_security_state.cc). None has ``known-pins``: it says nothing about pins.

==================  =================================================================================
CSP                 ``{"csp-report": …}`` (CSP 2 section 4.4); entries ``csp-violation`` (CSP 3 section 5.3)
Expect-CT           ``{"expect-ct-report": …}`` (RFC 9163 section 3.1); its members alone, with ``scts``
Expect-Staple       ``{"expect-staple-report": …}``; its members alone, with ``response-status``
NEL                 entries ``network-error`` (Network Error Logging section 7)
==================  =================================================================================
"""

from typing import Any

_WRAPPERS = {
    "csp-report": "CSP",
    "expect-ct-report": "Expect-CT",
    "expect-staple-report": "Expect-Staple",
}
_MEMBERS = {
    "scts": "Expect-CT",
    "response-status": "Expect-Staple",
    "cert-status": "Expect-Staple",
    "blocked-uri": "CSP",
    "violated-directive": "CSP",
}
_TYPES = {"csp-violation": "CSP", "csp-hash": "CSP", "network-error": "NEL"}
"""Types of the Reporting API."""

_OF_PINS = frozenset({"known-pins", "served-pins", "validation-result"})
"""Members that no other kind has."""


def kind_of_members(value: Any) -> str | None:
    """Return the name of the kind that a JSON object has the form of; None if it may be a pin violation report."""
    if not isinstance(value, dict) or value.keys() & _OF_PINS:
        return None
    named = (kind for table in (_WRAPPERS, _MEMBERS) for member, kind in table.items() if member in value)
    return next(named, None)


def kind_of_type(name: str) -> str | None:
    """Return the name of the kind that has this type in the Reporting API; None for types that are not known here."""
    return _TYPES.get(name)


_REFUSAL = "This is a report of another kind: "


def is_refusal(reason: str) -> bool:
    """Whether a reason is that of a report of another kind."""
    return reason.startswith(_REFUSAL)


def refusal(kinds: set[str]) -> str:
    """Say which kinds arrived, and what is taken here."""
    return (
        f"{_REFUSAL}{' and '.join(sorted(kinds))}. Only pin violation reports (RFC 7469 "
        "section 3) are accepted here; send it to another collector."
    )
