"""Golden reports of Chromium."""

from collections.abc import Iterator
from dataclasses import replace

from app.demo import Members
from app.hpkp.report import Sender
from tests.support.authority import certificate_with_serial_zero, make_root, new_key
from tests.support.golden.cases import BaseIncident, Case, case, directives, make_base_incident


def chromium_cases() -> Iterator[Case]:
    """Make the cases of Chromium."""
    base = make_base_incident()
    yield _chromium("report-only", base)
    yield _chromium(
        "report-only-a-millisecond-before", base,
        wire={"date-time": "2026-06-01T12:00:00.001Z", "effective-expiration-date": "2026-06-01T12:00:00.000Z"},
        means={"date_time": "2026-06-01T12:00:00.001000+00:00", "date_time_text": "2026-06-01T12:00:00.001Z"},
    )  # fmt: skip
    yield _chromium(
        "enforce", base,
        wire={
            "effective-expiration-date": "2026-07-11T08:30:00.250Z", "include-subdomains": True,
            "hostname": "shop.example.com", "noted-hostname": "example.com",
        },
        means={
            "mode": "enforce", "include_subdomains": True,
            "hostname": "shop.example.com", "noted_hostname": "example.com",
            "effective_expiration_date": "2026-07-11T08:30:00.250000+00:00",
            "effective_expiration_text": "2026-07-11T08:30:00.250Z",
        },
    )  # fmt: skip
    yield _chromium(
        "enforce-preloaded-pins", base,
        wire={"effective-expiration-date": "1601-01-01T00:00:00.000Z"},
        means={
            "mode": "enforce", "effective_expiration_date": "1601-01-01T00:00:00+00:00",
            "effective_expiration_text": "1601-01-01T00:00:00.000Z",
        },
    )  # fmt: skip
    yield _chromium("empty-chains", replace(base, served=[], validated=[]))
    yield _chromium("other-port", base, wire={"port": 8443}, means={"port": 8443})
    serial_zero = certificate_with_serial_zero()
    yield _chromium("root-of-serial-zero", replace(base, validated=[*base.served, serial_zero]))
    twice = base.pins[:1]
    yield _chromium("pin-sent-twice", base, wire={"known-pins": directives(twice * 2)}, means={"known_pins": twice})
    old_root, new_root, key = make_root("Old Root"), make_root("New Root"), new_key()
    by_old, by_new = (root.issue("Test Intermediate", ca=True, key=key) for root in (old_root, new_root))
    leaf = by_old.issue()
    yield _chromium(
        "pin-in-served-but-not-in-validated-chain",
        BaseIncident(
            [leaf.der, by_old.der, old_root.der],
            [leaf.der, by_new.der, new_root.der],
            [old_root.pin, make_root("Backup").pin],
        ),
    )


def _chromium(name: str, base: BaseIncident, *, wire: Members | None = None, means: Members | None = None) -> Case:
    moment = "2026-06-01T12:00:00.000Z"
    expected = base.told() | {
        "mode": "report-only",
        "date_time_text": moment,
        "effective_expiration_date": "2026-06-01T12:00:00+00:00",
        "effective_expiration_text": moment,
    }
    return case(Sender.CHROMIUM, name, base.incident(), expected | (means or {}), wire=wire)
