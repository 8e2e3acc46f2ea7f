"""How each sender writes an incident: members and their order, dates, PEM, JSON, headers, framing.

What a sender does not know or does not tell is left out here too.
"""

import base64
import functools
import json
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

from app.demo.incident import Incident, SampleApp
from app.hpkp.pins import pin_of_spki
from app.hpkp.report import Sender
from app.hpkp.x509.spki import spki_of_certificate

Members = dict[str, Any]
"""The members of a report in the order in which they are written."""

_A_YEAR = timedelta(days=365)
_LOCAL = timezone(timedelta(hours=1))
_AGE_MS = 420


@dataclass(frozen=True, slots=True)
class Sample:
    """A submission as on the wire; ``Host`` and the length are left to whoever sends it."""

    body: bytes
    headers: Mapping[str, str]
    chunked: bool = False
    """Whether it is sent in chunks, without Content-Length."""


@dataclass(frozen=True, slots=True)
class SenderForm:
    """The form of one sender, in parts, so that a member can be changed before it is encoded."""

    members: Callable[[Incident], Members]
    encode: Callable[[Any], bytes]
    headers: Callable[[SampleApp], Mapping[str, str]]
    chunked: bool = False

    def sample(self, incident: Incident) -> Sample:
        """Frame an incident as this sender would."""
        return Sample(self.encode(self.members(incident)), self.headers(incident.app), self.chunked)


@functools.lru_cache(maxsize=512)
def pem(der: bytes, *, columns: int = 64, newline: str = "\n", final_newline: bool = True) -> str:
    """Write PEM with lines of this length, this newline between them, LF around them."""
    lines = newline.join(textwrap.wrap(base64.b64encode(der).decode("ascii"), columns))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----" + "\n" * final_newline


def apple_pem(der: bytes) -> str:
    """Write 64 columns with CRLF between them, LF around them, and no newline at the end."""
    return pem(der, newline="\r\n", final_newline=False)


def android_pem(der: bytes) -> str:
    """Write 76 columns, LF, and a newline at the end."""
    return pem(der, columns=76)


def _milliseconds(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def _seconds(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}Z"


def _rfc3339(at: datetime, zone: tzinfo) -> str:
    text = at.astimezone(zone).isoformat(timespec="seconds")
    return text.replace("+00:00", "Z")


# JSON


def compact_sorted(members: Any) -> bytes:
    """Write compact ASCII, members sorted by name, ``<`` as an escape, as Chromium does."""
    text = json.dumps(members, sort_keys=True, separators=(",", ":"))
    return text.replace("<", r"\u003C").encode("ascii")


def compact_with_escaped_slashes(members: Any) -> bytes:
    """Write compact UTF-8 with every slash escaped, as the systems of Apple and Android do."""
    text = json.dumps(members, separators=(",", ":"), ensure_ascii=False)
    return text.replace("/", r"\/").encode()


def compact(members: Any) -> bytes:
    """Write compact UTF-8 with ``<``, ``>`` and ``&`` as escapes, as Go does."""
    text = json.dumps(members, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()


# Senders


def _chromium(incident: Incident) -> Members:
    expires = incident.at + incident.max_age if incident.enforced else incident.at
    return {
        "date-time": _milliseconds(incident.at),
        "effective-expiration-date": _milliseconds(expires),
        "hostname": incident.hostname,
        "include-subdomains": incident.include_subdomains,
        "known-pins": [pin.directive for pin in incident.known_pins],
        "noted-hostname": incident.noted_hostname,
        "port": incident.port,
        "served-certificate-chain": [pem(der) for der in incident.served],
        "validated-certificate-chain": [pem(der) for der in incident.validated],
    }


def _trustkit_apple(incident: Incident) -> Members:
    return {
        "app-bundle-id": incident.app.bundle_id,
        "app-version": incident.app.version,
        "app-platform": "IOS",
        "app-platform-version": "18.1.0",
        "app-vendor-id": incident.app.install_id,
        "trustkit-version": "3.0.7",
        "date-time": _seconds(incident.at),
        "hostname": incident.hostname,
        "port": 0,
        "noted-hostname": incident.noted_hostname,
        "include-subdomains": incident.include_subdomains,
        "enforce-pinning": incident.enforced,
        "validated-certificate-chain": [apple_pem(der) for der in incident.validated],
        "known-pins": [pin.directive for pin in incident.known_pins],
        "validation-result": 1 if incident.trusted else 2,
        "known-pins-expiration-date": None,
    }


def _trustkit_android(incident: Incident) -> Members:
    # From Android 7 on the system checks the pins, and the validated chain is the served one.
    served = [android_pem(der) for der in incident.served]
    return {
        "app-bundle-id": incident.app.bundle_id,
        "app-version": incident.app.version,
        "app-vendor-id": incident.app.install_id.lower(),
        "app-platform": "ANDROID",
        "trustkit-version": "1.1.5",
        "hostname": incident.hostname,
        "port": 0,
        "noted-hostname": incident.noted_hostname,
        "include-subdomains": incident.include_subdomains,
        "enforce-pinning": incident.enforced,
        "validation-result": 1 if incident.trusted else 2,
        "date-time": _seconds(incident.at),
        "validated-certificate-chain": served,
        "served-certificate-chain": served,
        "known-pins": [pin.directive for pin in incident.known_pins],
    }


def _proton_bridge(incident: Incident) -> Members:
    chain = incident.validated or incident.served
    return {
        "date-time": _rfc3339(incident.at, _LOCAL),
        "hostname": incident.hostname,
        "port": str(incident.port),
        "effective-expiration-date": _rfc3339(incident.at + _A_YEAR, _LOCAL),
        "include-subdomains": False,
        "noted-hostname": incident.noted_hostname,
        "served-certificate-chain": [pem(der) for der in chain] or None,
        "validated-certificate-chain": None,
        "known-pins": [pin.directive for pin in incident.known_pins],
        "app-version": f"Bridge_{incident.app.version}",
    }


def _proton_vpn(incident: Incident) -> Members:
    return {
        "date-time": _seconds(incident.at).removesuffix("Z"),
        "hostname": incident.hostname,
        "port": incident.port,
        "validated-certificate-chain": [pem(der, final_newline=False) for der in incident.validated],
        "known-pins": [str(pin) for pin in incident.known_pins],
    }


def _react_native(incident: Incident) -> Members:
    return {
        "hostname": incident.hostname,
        "enforced": incident.enforced,
        "known-pins": [f"sha256/{pin}" for pin in incident.known_pins],
        "served-pins": [
            f"sha256/{pin_of_spki(spki_of_certificate(der))}" for der in incident.validated or incident.served
        ],
        "message": "Certificate pinning failure!",
        "date-time": _seconds(incident.at),
    }


def _go_hpkp(incident: Incident) -> Members:
    return {
        "date-time": _rfc3339(incident.at, _LOCAL),
        "hostname": incident.hostname,
        "port": incident.port,
        "effective-expiration-date": _rfc3339(incident.at + incident.max_age, UTC),
        "include-subdomains": incident.include_subdomains,
        "noted-hostname": incident.noted_hostname,
        "served-certificate-chain": [pem(der) for der in incident.served] or None,
        "validated-certificate-chain": [pem(der) for der in incident.validated] or None,
        "known-pins": [str(pin) for pin in incident.known_pins],
    }


def _reporting_api(incident: Incident) -> Members:
    body = _chromium(incident)
    del body["date-time"]
    body["effective-expiration-date"] = _milliseconds(incident.at + incident.max_age)
    return {
        "type": "hpkp",
        "age": _AGE_MS,
        "url": f"https://{incident.hostname}/",
        "user_agent": _BROWSER,
        "body": body,
    }


def _batch(entry: Members) -> bytes:
    return compact([entry])


_BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/70.0.3538.110 Safari/537.36"
)


def _app_name(app: SampleApp) -> str:
    return app.bundle_id.rpartition(".")[2].capitalize()


FORMS: Mapping[Sender, SenderForm] = {
    Sender.CHROMIUM: SenderForm(
        _chromium,
        compact_sorted,
        lambda app: {
            "Connection": "keep-alive",
            "Pragma": "no-cache",
            "Cache-Control": "no-cache",
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": _BROWSER,
            "Accept-Encoding": "gzip, deflate",
            "Accept-Language": "en-US,en;q=0.9",
        },
    ),
    Sender.TRUSTKIT_APPLE: SenderForm(
        _trustkit_apple,
        compact_with_escaped_slashes,
        lambda app: {
            "Content-Type": "application/json",
            "Accept": "*/*",
            "User-Agent": f"{_app_name(app)}/{app.version} CFNetwork/1568.200.51 Darwin/24.1.0",
            "Accept-Language": "en-GB,en;q=0.9",
            "Accept-Encoding": "gzip, deflate",
        },
    ),
    Sender.TRUSTKIT_ANDROID: SenderForm(
        _trustkit_android,
        compact_with_escaped_slashes,
        lambda app: {
            "Content-Type": "application/json",
            "User-Agent": "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/AP2A.240805.005)",
            "Connection": "Keep-Alive",
            "Accept-Encoding": "gzip",
        },
        chunked=True,
    ),
    Sender.PROTON_BRIDGE: SenderForm(
        _proton_bridge,
        compact,
        lambda app: {
            "User-Agent": f"Bridge/{app.version} (Linux; x86_64)",
            "Content-Type": "application/json",
            "X-Pm-Appversion": f"Bridge_{app.version}",
            "Accept-Encoding": "gzip",
        },
    ),
    Sender.PROTON_VPN: SenderForm(
        _proton_vpn,
        compact,
        lambda app: {"Content-Type": "application/json; charset=utf-8"},
    ),
    Sender.REACT_NATIVE: SenderForm(
        _react_native,
        compact_with_escaped_slashes,
        lambda app: {
            "Content-Type": "application/json; charset=utf-8",
            "Connection": "Keep-Alive",
            "Accept-Encoding": "gzip",
            "User-Agent": "okhttp/4.12.0",
        },
    ),
    Sender.GO_HPKP: SenderForm(
        _go_hpkp,
        compact,
        lambda app: {
            "User-Agent": "Go-http-client/1.1",
            "Content-Type": "application/json",
            "Accept-Encoding": "gzip",
        },
    ),
    Sender.REPORTING_API: SenderForm(
        _reporting_api,
        _batch,
        lambda app: {
            "Content-Type": "application/reports+json",
            "User-Agent": _BROWSER,
            "Accept-Encoding": "gzip, deflate",
        },
    ),
}
"""Every sender whose form is known; `Sender.RFC7469` stands for the others."""
