"""Golden reports of TrustKit, for Apple systems and for Android."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from app.demo import Members
from app.demo.forms import android_pem
from app.hpkp.report import Sender
from tests.support.golden.cases import BaseIncident, Case, as_utc, case, make_base_incident, rendered


def apple_cases() -> Iterator[Case]:
    """Make the cases of TrustKit for Apple systems."""
    base = make_base_incident()
    yield _apple("ios", base)
    yield _apple(
        "ios-reporting-only-with-an-expiration-date", base,
        wire={"enforce-pinning": False, "known-pins-expiration-date": "2027-03-01"},
        means={
            "mode": "report-only",
            "effective_expiration_date": "2027-03-01T00:00:00+00:00",
            "effective_expiration_text": "2027-03-01",
        },
    )  # fmt: skip
    yield _apple(
        "macos-chain-not-trusted", replace(base, validated=base.validated[:1]), trusted=False,
        wire={"app-platform": "MACOS", "app-platform-version": "15.1.0"},
        means={"platform": "MACOS", "platform_version": "15.1.0", "sender_result": "chain_not_trusted"},
    )  # fmt: skip
    yield _apple(
        "tvos-without-date-time", base,
        wire={"app-platform": "TVOS", "date-time": None},
        means={"platform": "TVOS", "date_time": None, "date_time_text": None},
    )  # fmt: skip
    yield _apple(
        "watchos-without-bundle-and-version", base,
        wire={"app-platform": "WATCHOS", "app-bundle-id": "N/A", "app-version": "", "validation-result": 5},
        means={"platform": "WATCHOS", "app": "N/A", "app_version": None, "sender_result": "other"},
    )  # fmt: skip
    yield _apple(
        "first-versions-without-their-own", base,
        without=("trustkit-version", "app-platform", "app-platform-version", "enforce-pinning"),
        means={"platform": None, "platform_version": None, "mode": None},
    )  # fmt: skip


def _apple(
    name: str,
    base: BaseIncident,
    *,
    trusted: bool = True,
    wire: Members | None = None,
    without: Sequence[str] = (),
    means: Members | None = None,
) -> Case:
    expected = _told_in_an_app(base) | {
        "platform": "IOS",
        "platform_version": "18.1.0",
        "install_id": "0B5A2C1E-7C39-4E57-9C55-51F0D8C4A6E2",
        "served_chain": None,
    }
    incident = base.incident(**_IN_AN_APP, trusted=trusted)
    return case(Sender.TRUSTKIT_APPLE, name, incident, expected | (means or {}), wire=wire, without=without)


_IN_AN_APP: dict[str, Any] = {
    "hostname": "api.example.com",
    "noted_hostname": "example.com",
    "include_subdomains": True,
    "enforced": True,
}


def _told_in_an_app(base: BaseIncident) -> Members:
    return base.told() | {
        "hostname": "api.example.com",
        "noted_hostname": "example.com",
        "port": None,
        "include_subdomains": True,
        "mode": "enforce",
        "sender_result": "pins_not_matched",
        "app": "com.example.shop",
        "app_version": "4.2",
    }


def android_cases() -> Iterator[Case]:
    """Make the cases of TrustKit for Android."""
    base = make_base_incident()
    yield _android("validated-chain-is-the-served-one", base)
    yield _android(
        "validated-chain-with-root", base,
        wire={"validated-certificate-chain": [android_pem(der) for der in base.validated]},
        means={"validated_chain": rendered(base.validated)},
    )  # fmt: skip
    yield _android(
        "chain-not-trusted", replace(base, served=base.served[:1]), trusted=False,
        means={"sender_result": "chain_not_trusted"},
    )  # fmt: skip
    yield _android(
        "local-time-called-utc", base,
        wire={"date-time": "2026-06-02T02:00:00Z"},
        means={"date_time": "2026-06-02T02:00:00+00:00", "date_time_text": "2026-06-02T02:00:00Z"},
    )  # fmt: skip
    latin = "2026-06-01T15:30:00Z"
    arabic = latin.translate({ord("0") + digit: 0x0660 + digit for digit in range(10)})
    yield _android(
        "digits-of-the-locale", base,
        wire={"date-time": arabic}, means={"date_time": as_utc(latin), "date_time_text": arabic},
    )  # fmt: skip


def _android(
    name: str, base: BaseIncident, *, trusted: bool = True, wire: Members | None = None, means: Members | None = None
) -> Case:
    expected = _told_in_an_app(base) | {
        "platform": "ANDROID",
        "install_id": "0b5a2c1e-7c39-4e57-9c55-51f0d8c4a6e2",
        "validated_chain": rendered(base.served),
    }
    incident = base.incident(**_IN_AN_APP, trusted=trusted)
    return case(Sender.TRUSTKIT_ANDROID, name, incident, expected | (means or {}), wire=wire)
