"""Golden reports of programs that pin by themselves: Proton's, react-native-ssl-manager, Go libraries."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from app.demo import Members
from app.hpkp.report import Sender
from tests.support.golden.cases import BaseIncident, Case, case, directives, make_base_incident, pin_of, rendered

_LOCAL_DATES = {
    "date_time_text": "2026-06-01T13:00:00+01:00",
    "effective_expiration_date": "2027-06-01T12:00:00+00:00",
    "effective_expiration_text": "2027-06-01T13:00:00+01:00",
}


def proton_cases() -> Iterator[Case]:
    """Make the cases of Proton's clients."""
    base = make_base_incident()
    yield _bridge("validated-chain-as-served", base)
    yield _bridge("port-as-number", base, wire={"port": 443})
    yield _bridge(
        "no-noted-hostname-and-empty-validated-chain", base,
        wire={"noted-hostname": "", "validated-certificate-chain": []},
        means={"noted_hostname": None, "validated_chain": []},
    )  # fmt: skip
    yield _bridge("both-chains-null", replace(base, served=[], validated=[]), means={"served_chain": None})
    yield _vpn("date-without-zone", base)
    yield _vpn("pins-with-prefix", base, wire={"known-pins": directives(base.pins)})
    yield _vpn("pins-that-are-none", base, wire={"known-pins": ["a key"]}, means={
        "known_pins": [], "unreadable_pins": ["a key"],
    })  # fmt: skip


def _bridge(name: str, base: BaseIncident, *, wire: Members | None = None, means: Members | None = None) -> Case:
    expected = base.told() | _LOCAL_DATES | {
        "served_chain": rendered(base.validated),
        "validated_chain": None,
        "app_version": "Bridge_4.2",
    }  # fmt: skip
    return case(Sender.PROTON_BRIDGE, name, base.incident(), expected | (means or {}), wire=wire)


def _vpn(name: str, base: BaseIncident, *, wire: Members | None = None, means: Members | None = None) -> Case:
    expected = base.told() | {
        "noted_hostname": None,
        "include_subdomains": None,
        "served_chain": None,
        "date_time_text": "2026-06-01T12:00:00",
    }
    return case(Sender.PROTON_VPN, name, base.incident(), expected | (means or {}), wire=wire)


def react_native_cases() -> Iterator[Case]:
    """Make the cases of react-native-ssl-manager."""
    base = make_base_incident()
    yield _react_native("report-only", base)
    yield _react_native("enforced", base, wire={"enforced": True}, means={"mode": "enforce"})
    yield _react_native("no-served-pins", replace(base, served=[], validated=[]))
    yield _react_native(
        "a-served-pin-that-is-none", replace(base, validated=base.validated[:1]),
        wire={"served-pins": ["sha256/none", None]},
        means={"validated_chain": [_unreadable_pin(0), _unreadable_pin(1)]},
    )  # fmt: skip


def _unreadable_pin(position: int) -> Members:
    reason = "the sender gave only a pin, and that cannot be read"
    return {"unreadable": reason, "position": position, "sha256": None, "pin": None}


def _react_native(name: str, base: BaseIncident, *, wire: Members | None = None, means: Members | None = None) -> Case:
    reason = "the sender gave only the pin"
    expected = base.told() | {
        "noted_hostname": None,
        "port": None,
        "include_subdomains": None,
        "mode": "report-only",
        "validated_chain": [
            {"unreadable": reason, "position": position, "sha256": None, "pin": pin_of(der)}
            for position, der in enumerate(base.validated)
        ],
        "served_chain": None,
    }
    return case(Sender.REACT_NATIVE, name, base.incident(), expected | (means or {}), wire=wire)


def go_cases() -> Iterator[Case]:
    """Make the cases of tam7t/hpkp and its kin."""
    base = make_base_incident()
    yield _go("bare-pins", base)
    yield _go("validated-chain-null", replace(base, validated=[]), means={"validated_chain": None})
    yield _go(
        "both-chains-null-and-pins-with-prefix", replace(base, served=[], validated=[]),
        wire={"known-pins": directives(base.pins)}, means={"served_chain": None, "validated_chain": None},
    )  # fmt: skip
    yield _go(
        "empty-expiration-date-and-no-noted-hostname", base,
        wire={"known-pins": directives(base.pins), "effective-expiration-date": ""}, without=("noted-hostname",),
        means={"effective_expiration_date": None, "effective_expiration_text": None, "noted_hostname": None},
    )  # fmt: skip


def _go(
    name: str,
    base: BaseIncident,
    *,
    wire: Members | None = None,
    without: Sequence[str] = (),
    means: Members | None = None,
) -> Case:
    expected = base.told() | {
        "date_time_text": "2026-06-01T13:00:00+01:00",
        "effective_expiration_date": "2026-07-31T12:00:00+00:00",
        "effective_expiration_text": "2026-07-31T12:00:00Z",
    }
    return case(Sender.GO_HPKP, name, base.incident(), expected | (means or {}), wire=wire, without=without)
