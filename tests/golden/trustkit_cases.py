"""Golden reports of TrustKit, for Apple systems and for Android."""

from collections.abc import Iterator, Sequence

from tests.golden.cases import NOTHING, Case, Chain, as_utc, make_chains, make_wrong_pins, rendered
from tests.golden.forms import Members, android_pem, apple_pem, directives, trustkit_body


def apple_cases() -> Iterator[Case]:
    """Make the cases of TrustKit for Apple systems."""
    _, validated = make_chains()
    yield _apple("ios", validated)
    yield _apple(
        "ios-reporting-only-with-an-expiration-date", validated,
        wire={"enforce-pinning": False, "known-pins-expiration-date": "2027-03-01"},
        means={
            "mode": "report-only",
            "effective_expiration_date": "2027-03-01T00:00:00+00:00",
            "effective_expiration_text": "2027-03-01",
        },
    )  # fmt: skip
    yield _apple(
        "macos-chain-not-trusted", validated[:1],
        wire={"app-platform": "MACOS", "app-platform-version": "15.1.0", "validation-result": 2},
        means={"platform": "MACOS", "platform_version": "15.1.0", "sender_result": "chain_not_trusted"},
    )  # fmt: skip
    yield _apple(
        "tvos-without-date-time", validated,
        wire={"app-platform": "TVOS", "date-time": None},
        means={"platform": "TVOS", "date_time": None, "date_time_text": None},
    )  # fmt: skip
    yield _apple(
        "watchos-without-bundle-and-version", validated,
        wire={"app-platform": "WATCHOS", "app-bundle-id": "N/A", "app-version": "", "validation-result": 5},
        means={"platform": "WATCHOS", "app": "N/A", "app_version": None, "sender_result": "other"},
    )  # fmt: skip


def _apple(name: str, validated: Chain, *, wire: Members | None = None, means: Members | None = None) -> Case:
    pins = make_wrong_pins()
    members = {
        "app-bundle-id": "com.example.shop",
        "app-version": "4.2",
        "app-platform": "IOS",
        "app-platform-version": "18.1.0",
        "app-vendor-id": "0B5A2C1E-7C39-4E57-9C55-51F0D8C4A6E2",
        "trustkit-version": "3.0.7",
        "date-time": "2026-06-01T12:00:00Z",
        "hostname": "api.example.com",
        "port": 0,
        "noted-hostname": "example.com",
        "include-subdomains": True,
        "enforce-pinning": True,
        "validated-certificate-chain": [apple_pem(der) for der in validated],
        "known-pins": directives(pins),
        "validation-result": 1,
        "known-pins-expiration-date": None,
    }
    expected = _trustkit_expected("trustkit-apple", pins, None, validated) | {
        "platform": "IOS",
        "platform_version": "18.1.0",
        "install_id": "0B5A2C1E-7C39-4E57-9C55-51F0D8C4A6E2",
    }
    return Case("trustkit-apple", name, trustkit_body(members | (wire or {})), expected | (means or {}))


def _trustkit_expected(sender: str, pins: Sequence[str], served: Chain | None, validated: Chain) -> Members:
    return NOTHING | {
        "sender": sender,
        "hostname": "api.example.com",
        "noted_hostname": "example.com",
        "include_subdomains": True,
        "mode": "enforce",
        "known_pins": list(pins),
        "served_chain": rendered(served),
        "validated_chain": rendered(validated),
        "sender_result": "pins_not_matched",
        "date_time": "2026-06-01T12:00:00+00:00",
        "date_time_text": "2026-06-01T12:00:00Z",
        "app": "com.example.shop",
        "app_version": "4.2",
    }


def android_cases() -> Iterator[Case]:
    """Make the cases of TrustKit for Android."""
    served, validated = make_chains()
    yield _android("validated-chain-with-root", served, validated)
    yield _android("validated-chain-is-the-served-one", served, served)
    yield _android(
        "chain-not-trusted", served[:1], served[:1],
        wire={"validation-result": 2}, means={"sender_result": "chain_not_trusted"},
    )  # fmt: skip
    yield _android(
        "local-time-called-utc", served, served,
        wire={"date-time": "2026-06-02T02:00:00Z"},
        means={"date_time": "2026-06-02T02:00:00+00:00", "date_time_text": "2026-06-02T02:00:00Z"},
    )  # fmt: skip
    latin = "2026-06-01T15:30:00Z"
    arabic = latin.translate({ord("0") + digit: 0x0660 + digit for digit in range(10)})
    yield _android(
        "digits-of-the-locale", served, served,
        wire={"date-time": arabic}, means={"date_time": as_utc(latin), "date_time_text": arabic},
    )  # fmt: skip


def _android(
    name: str, served: Chain, validated: Chain, *, wire: Members | None = None, means: Members | None = None
) -> Case:
    pins = make_wrong_pins()
    members = {
        "app-bundle-id": "com.example.shop",
        "app-version": "4.2",
        "app-platform": "ANDROID",
        "app-vendor-id": "5d0dcb0f-5d5f-4c0b-8d8e-6a0c6f0f3b11",
        "trustkit-version": "1.1.5",
        "hostname": "api.example.com",
        "port": 0,
        "noted-hostname": "example.com",
        "include-subdomains": True,
        "enforce-pinning": True,
        "served-certificate-chain": [android_pem(der) for der in served],
        "validated-certificate-chain": [android_pem(der) for der in validated],
        "date-time": "2026-06-01T12:00:00Z",
        "known-pins": directives(pins),
        "validation-result": 1,
    }
    expected = _trustkit_expected("trustkit-android", pins, served, validated) | {
        "platform": "ANDROID",
        "install_id": "5d0dcb0f-5d5f-4c0b-8d8e-6a0c6f0f3b11",
    }
    return Case("trustkit-android", name, trustkit_body(members | (wire or {})), expected | (means or {}))
