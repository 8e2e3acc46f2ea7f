"""Golden reports of Chromium."""

from collections.abc import Iterator

from tests.authority import certificate_with_serial_zero, make_root, new_key
from tests.golden.cases import NOTHING, Case, Chain, as_utc, make_chains, make_wrong_pins, rendered
from tests.golden.forms import Members, chromium_body, chromium_pem, directives


def chromium_cases() -> Iterator[Case]:
    """Make the cases of Chromium."""
    served, validated = make_chains()
    yield _chromium("report-only", served, validated)
    yield _chromium(
        "report-only-a-millisecond-before", served, validated,
        wire={"date-time": "2026-06-01T12:00:00.001Z", "effective-expiration-date": "2026-06-01T12:00:00.000Z"},
        means={"date_time": "2026-06-01T12:00:00.001000+00:00", "date_time_text": "2026-06-01T12:00:00.001Z"},
    )  # fmt: skip
    yield _chromium(
        "enforce", served, validated,
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
        "enforce-preloaded-pins", served, validated,
        wire={"effective-expiration-date": "1601-01-01T00:00:00.000Z"},
        means={
            "mode": "enforce", "effective_expiration_date": "1601-01-01T00:00:00+00:00",
            "effective_expiration_text": "1601-01-01T00:00:00.000Z",
        },
    )  # fmt: skip
    yield _chromium("empty-chains", [], [])
    yield _chromium("other-port", served, validated, wire={"port": 8443}, means={"port": 8443})
    serial_zero = certificate_with_serial_zero()
    yield _chromium("root-of-serial-zero", served, [*served, serial_zero])
    twice = make_wrong_pins()[:1]
    yield _chromium(
        "pin-sent-twice", served, validated, wire={"known-pins": directives(twice * 2)}, means={"known_pins": twice}
    )
    old_root, new_root, key = make_root("Old Root"), make_root("New Root"), new_key()
    by_old, by_new = (root.issue("Test Intermediate", ca=True, key=key) for root in (old_root, new_root))
    leaf = by_old.issue()
    pins = [old_root.pin, make_root("Backup").pin]
    yield _chromium(
        "pin-in-served-but-not-in-validated-chain",
        [leaf.der, by_old.der, old_root.der],
        [leaf.der, by_new.der, new_root.der],
        wire={"known-pins": directives(pins)},
        means={"known_pins": pins},
    )


def _chromium(
    name: str, served: Chain, validated: Chain, *, wire: Members | None = None, means: Members | None = None
) -> Case:
    moment, pins = "2026-06-01T12:00:00.000Z", make_wrong_pins()
    members = {
        "date-time": moment,
        "effective-expiration-date": moment,
        "hostname": "www.example.com",
        "include-subdomains": False,
        "known-pins": directives(pins),
        "noted-hostname": "www.example.com",
        "port": 443,
        "served-certificate-chain": [chromium_pem(der) for der in served],
        "validated-certificate-chain": [chromium_pem(der) for der in validated],
    }
    expected = NOTHING | {
        "sender": "chromium",
        "hostname": "www.example.com",
        "noted_hostname": "www.example.com",
        "port": 443,
        "include_subdomains": False,
        "mode": "report-only",
        "known_pins": pins,
        "served_chain": rendered(served),
        "validated_chain": rendered(validated),
        "date_time": as_utc(moment),
        "date_time_text": moment,
        "effective_expiration_date": as_utc(moment),
        "effective_expiration_text": moment,
    }
    return Case("chromium", name, chromium_body(members | (wire or {})), expected | (means or {}))
