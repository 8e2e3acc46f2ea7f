"""Warnings on a single pin: the one check for ``header lint``, ``pin``, the policy editor and the verdict.

::

    pin (+ role of its certificate) ──check_pin(catalog)──> Finding …

Roles come before names: what a certificate is follows from the certificate. The catalog adds which CA it is and
whether that key still issues.
"""

from collections.abc import Iterator

from app.hpkp.catalog import CaState, Catalog
from app.hpkp.findings import Finding, Severity
from app.hpkp.pins import Pin
from app.hpkp.x509.anchors import RootDeparture
from app.hpkp.x509.certificate_role import Role

_ISSUES_NO_MORE = frozenset({CaState.RETIRED, CaState.OLD})
_ISSUES = frozenset({CaState.ACTIVE, CaState.BACKUP})

UNUSABLE = frozenset({"example_pin", "known_bad_key", "captive_portal_key", "retired_ca_key", "departed_root_key"})
"""Codes of pins that count for none of the two that a policy needs (RFC 7469 section 2.5)."""

_PIN_YOUR_LEAF = "Pin your leaf key, and a backup key that you keep offline."


def check_pin(pin: Pin, catalog: Catalog, *, role: Role | None = None, in_store: bool = False) -> Iterator[Finding]:
    """Yield the reasons not to pin this key; none for a key of which nothing is known.

    ``role`` is that of the certificate with this key, None if only the pin is known. ``in_store`` says that a root
    store holds the key, so that a cross-certificate of a root does not pass for an intermediate.
    """
    reasons = (*_check_known_key(pin, catalog), *_check_ca_key(pin, catalog, role))
    if not reasons and role is Role.INTERMEDIATE and not (in_store or _is_root(pin, catalog)):
        # The certificate says it: a CA below another. Whichever CA it is, it is not the operator's to keep.
        yield Finding(
            "intermediate_key",
            Severity.WARNING,
            f"{pin} is the key of an intermediate CA, which the CA may replace at any renewal.",
            _PIN_YOUR_LEAF,
            {"pin": str(pin)},
        )
    yield from reasons


def _check_known_key(pin: Pin, catalog: Catalog) -> Iterator[Finding]:
    """Check the key against those that are published as nobody's, everybody's or somebody else's."""
    evidence = {"pin": str(pin)}
    if where := catalog.example_pins.get(pin):
        yield Finding(
            "example_pin",
            Severity.BLOCKER,
            f"{pin} is an example pin ({where}); you do not have its key.",
            f"Replace {pin} with the pin of a key that you hold: `hpkp pin FILE`.",
            evidence,
        )
    if keys := catalog.known_bad.get(pin):
        yield Finding(
            "known_bad_key",
            Severity.BLOCKER,
            f"{pin} is a compromised or misused key: {'; '.join(key.name for key in keys)}. Pinning it trusts the "
            "certificates of others.",
            f"Remove pin {pin}. If you use this key, generate a new one and replace the certificate.",
            evidence,
        )
    if portal := catalog.captive_portals.get(pin):
        yield Finding(
            "captive_portal_key",
            Severity.BLOCKER,
            f"{pin} is the key of a captive portal: {portal.name}.",
            "You are behind a captive portal; retry from another network.",
            evidence,
        )


def _check_ca_key(pin: Pin, catalog: Catalog, role: Role | None) -> Iterator[Finding]:
    names = catalog.ca_names_of(pin)
    evidence = {"pin": str(pin)}
    if departed := catalog.departed_roots.get(pin):
        yield _departed_root(pin, *departed)
    elif gone := _names_in(catalog, pin, _ISSUES_NO_MORE):
        yield Finding(
            "retired_ca_key",
            Severity.BLOCKER,
            f"{pin} is the key of {gone}, which no longer issues certificates.",
            f"Remove pin {pin}, and pin your leaf key.",
            evidence,
        )
    elif role is not Role.TRUST_ANCHOR and (rotating := _names_in(catalog, pin, _ISSUES)):
        yield Finding(
            "rotating_ca_key",
            Severity.WARNING,
            f"{pin} is the key of {rotating}, a CA's intermediate, which can change without notice.",
            _PIN_YOUR_LEAF,
            evidence,
        )
    elif names and all(name.state is CaState.PENDING for name in names):
        yield Finding(
            "pending_root_key",
            Severity.INFO,
            f"{pin} is the key of {names[0].name}, a root that is in no public store yet: for now clients reach it "
            "through a cross-certificate of another root, if at all.",
            "Pin your leaf key or a root in use as well.",
            evidence,
        )


def _departed_root(pin: Pin, name: str, departure: RootDeparture) -> Finding:
    """Tell of a root that left Mozilla's store, or is still in it and no longer trusted for new certificates."""
    key, evidence = f"{pin} is the key of the root {name}", {"pin": str(pin)}
    if departure.how == "distrusted":
        return Finding(
            "distrusted_root_key",
            Severity.WARNING,
            f"{key}, {departure.reason}. The next certificate comes from another root.",
            _PIN_YOUR_LEAF,
            evidence,
        )
    return Finding(
        "departed_root_key",
        Severity.BLOCKER,
        f"{key}, {departure.reason}; since {departure.left} it is not in Mozilla's store. New certificates do not lead "
        "to it.",
        _PIN_YOUR_LEAF,
        evidence,
    )


def _names_in(catalog: Catalog, pin: Pin, states: frozenset[CaState]) -> str:
    """List the CA's names in one of the states, for a sentence; none of a key that is a current root's too."""
    if _is_root(pin, catalog):
        return ""
    return ", ".join(name.name for name in catalog.ca_names_of(pin) if name.state in states)


def _is_root(pin: Pin, catalog: Catalog) -> bool:
    return any(name.state is CaState.ROOT for name in catalog.ca_names_of(pin))
