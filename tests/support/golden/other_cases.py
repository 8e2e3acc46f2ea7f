"""Golden reports that have the members of RFC 7469 section 3 but the form of no sender known by name."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from app.demo import Members
from app.demo.forms import pem
from tests.support.golden.cases import (
    NOTHING,
    Case,
    Chain,
    base64_of,
    directives,
    make_chains,
    make_wrong_pins,
    plain_body,
    rendered,
)  # fmt: skip


def other_cases() -> Iterator[Case]:
    """Make the cases of everyone else."""
    served, validated = make_chains()
    pems = [pem(der) for der in validated]
    pins = make_wrong_pins()
    other: Callable[..., Case] = _other_for(served, validated, pins)
    yield other("as-in-the-rfc")
    yield other("port-as-text", {"port": "443"})
    yield other(
        "dates-with-offsets",
        {"date-time": "2026-06-01T14:00:00+02:00", "effective-expiration-date": "2027-06-01T06:30:00.5-0530"},
        {
            "date_time_text": "2026-06-01T14:00:00+02:00",
            "effective_expiration_date": "2027-06-01T12:00:00.500000+00:00",
            "effective_expiration_text": "2027-06-01T06:30:00.5-0530",
        },
    )
    yield other("date-without-zone", {"date-time": "2026-06-01T12:00:00"}, {"date_time_text": "2026-06-01T12:00:00"})
    yield other("without-date-time", {}, {"date_time": None, "date_time_text": None}, without=("date-time",))
    yield other(
        "dates-that-are-none",
        {"date-time": "yesterday", "effective-expiration-date": "99999-01-01T00:00:00Z"},
        {
            "date_time": None, "date_time_text": "yesterday",
            "effective_expiration_date": None, "effective_expiration_text": "99999-01-01T00:00:00Z",
        },
    )  # fmt: skip
    yield other(
        "date-only-and-far-future",
        {"date-time": "2026-06-01", "effective-expiration-date": "9999-12-31T23:59:59Z"},
        {
            "date_time": "2026-06-01T00:00:00+00:00", "date_time_text": "2026-06-01",
            "effective_expiration_date": "9999-12-31T23:59:59+00:00",
            "effective_expiration_text": "9999-12-31T23:59:59Z",
        },
    )  # fmt: skip
    yield other(
        "one-chain-missing",
        {},
        {"validated_chain": None, "port": None},
        without=("validated-certificate-chain", "port"),
    )
    yield other("mode-enforced", {"enforced": "true"}, {"mode": "enforce"})
    yield other("bare-base64-of-der", {"validated-certificate-chain": [base64_of(der) for der in validated]})
    yield other("several-certificates-in-one-text", {"validated-certificate-chain": ["".join(pems)]})
    yield other("chain-as-one-text", {"validated-certificate-chain": "".join(pems)})
    yield other(
        "trailing-garbage",
        {"validated-certificate-chain": [pem(validated[0] + bytes(7)), pems[1] + "-- \nsent by me", pems[2]]},
    )
    yield other(
        "leading-blanks",
        {
            "validated-certificate-chain": [
                "\n" + pem.replace("-\nMI", "-\n  MI").replace("\n", "\n\t ") for pem in pems
            ]
        },
    )
    yield other(
        "certificates-that-are-none",
        {"validated-certificate-chain": [pems[0], "", None, pems[2]]},
        {
            "validated_chain": [
                *(rendered(validated[:1]) or ()),
                {"unreadable": "the text is empty", "position": 1, "sha256": None, "pin": None},
                {"unreadable": "a text is expected, this is a NoneType", "position": 2, "sha256": None, "pin": None},
                *(rendered(validated[2:]) or ()),
            ]
        },
    )
    yield other("byte-order-mark", prefix=b"\xef\xbb\xbf")


def _other_for(served: Chain, validated: Chain, pins: list[str]) -> Callable[..., Case]:
    members = {
        "date-time": "2026-06-01T12:00:00Z",
        "hostname": "www.example.com",
        "port": 443,
        "effective-expiration-date": "2027-06-01T12:00:00Z",
        "include-subdomains": False,
        "noted-hostname": "example.com",
        "served-certificate-chain": [pem(der) for der in served],
        "validated-certificate-chain": [pem(der) for der in validated],
        "known-pins": directives(pins),
    }
    expected = NOTHING | {
        "sender": "rfc7469",
        "hostname": "www.example.com",
        "noted_hostname": "example.com",
        "port": 443,
        "include_subdomains": False,
        "known_pins": pins,
        "served_chain": rendered(served),
        "validated_chain": rendered(validated),
        "date_time": "2026-06-01T12:00:00+00:00",
        "date_time_text": "2026-06-01T12:00:00Z",
        "effective_expiration_date": "2027-06-01T12:00:00+00:00",
        "effective_expiration_text": "2027-06-01T12:00:00Z",
    }

    def other(
        name: str,
        wire: Members | None = None,
        means: Members | None = None,
        *,
        without: Sequence[str] = (),
        prefix: bytes = b"",
    ) -> Case:
        sent: dict[str, Any] = {k: v for k, v in (members | (wire or {})).items() if k not in without}
        return Case("rfc7469", name, prefix + plain_body(sent), expected | (means or {}))

    return other
