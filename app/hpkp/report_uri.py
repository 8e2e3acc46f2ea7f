"""What is wrong with a report-uri: the one check for ``header lint`` and the verdict."""

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from app.hpkp.addresses import is_public
from app.hpkp.errors import InvalidHost
from app.hpkp.hosts import Host, canonical_host, is_address, is_subdomain

_LOCAL_NAMES = ("localhost", "local", "internal", "invalid", "home.arpa")
"""Names below these resolve in no public DNS (RFC 6761, RFC 6762, RFC 8375)."""


class ReportUriFault(StrEnum):
    """Why no report arrives."""

    NOT_ABSOLUTE = "not_absolute"
    """It is no http or https URI with a host."""
    UNDER_PINS = "under_pins"
    """Its host has the same pins: where they fail, no report gets out (RFC 7469 section 2.1.4)."""
    UNREACHABLE = "unreachable"
    """Its host is a loopback or private address, or a name that only exists inside."""


@dataclass(frozen=True, slots=True)
class ReportUri:
    """A report-uri that was checked; ``target`` is its host in canonical form, as far as it has one."""

    target: Host | None
    faults: frozenset[ReportUriFault]


def check_report_uri(uri: str, host: Host | None, *, include_subdomains: bool) -> ReportUri:
    """Check a report-uri of a host's policy; None if the host is not known."""
    try:
        parts = urlsplit(uri)
        target = canonical_host(parts.hostname or "")
    except (ValueError, InvalidHost):
        return ReportUri(None, frozenset({ReportUriFault.NOT_ABSOLUTE}))
    if parts.scheme.lower() not in ("http", "https"):
        return ReportUri(target, frozenset({ReportUriFault.NOT_ABSOLUTE}))
    faults = set[ReportUriFault]()
    if host is not None and (target == host or (include_subdomains and is_subdomain(target, of=host))):
        faults.add(ReportUriFault.UNDER_PINS)
    if _is_inside(target):
        faults.add(ReportUriFault.UNREACHABLE)
    return ReportUri(target, frozenset(faults))


def lead_to_one_collector(first: str, second: str) -> bool:
    """Whether two report-uris have the same scheme, host and port; their paths may differ, by a label.

    Only then does a canary through one of them say anything about the other. False if one of them is no http URI.
    """
    origin = _origin(first)
    return origin is not None and origin == _origin(second)


def _origin(uri: str) -> tuple[str, Host, int] | None:
    try:
        parts = urlsplit(uri)
        scheme, host = parts.scheme.lower(), canonical_host(parts.hostname or "")
        return scheme, host, parts.port or _PORTS[scheme]
    except (ValueError, InvalidHost, KeyError):
        return None


_PORTS = {"http": 80, "https": 443}


def _is_inside(host: Host) -> bool:
    if is_address(host):
        return not is_public(host)
    return "." not in host or any(host == name or is_subdomain(host, of=name) for name in _LOCAL_NAMES)
