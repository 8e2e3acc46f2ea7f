"""The report that each client writes about a connection, as bytes on the wire."""

import base64
import json
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

from tests.support.differential.certificates import Certificate
from tests.support.differential.clients import Connection
from tests.support.differential.world import HOST, Calendar, Client, Family, World

Members = dict[str, Any]

_LOCAL = timezone(timedelta(hours=2))
_MAX_AGE = timedelta(days=30)


def write_report(world: World, connection: Connection) -> bytes:
    """Write the report of the world's client; of a forgery, what its author wrote in that client's form."""
    forgery, client = world.forgery, world.client
    validated: tuple[Certificate, ...] = connection.path or ()
    untrusted = not connection.trusted
    if forgery is not None:
        validated, untrusted = forgery.validated, False
    match client.family:
        case Family.CHROMIUM:
            members = _chromium(client, world.served, validated)
            return json.dumps(members, sort_keys=True, separators=(",", ":")).encode("ascii")
        case Family.TRUSTKIT_APPLE:
            members = _apple(client, validated if not untrusted else world.served, untrusted)
            return json.dumps(members, separators=(",", ":")).replace("/", r"\/").encode()
        case Family.TRUSTKIT_ANDROID:
            hidden = untrusted or client.system_checks_pins
            members = _android(client, world.served, world.served if hidden else validated, untrusted)
            return json.dumps(members, separators=(",", ":")).replace("/", r"\/").encode()
        case Family.GO:
            return json.dumps(_go(client, world.served, validated)).encode()
        case Family.PROTON_BRIDGE:
            return json.dumps(_bridge(client, validated or world.served)).encode()
        case Family.PROTON_VPN:
            return json.dumps(_vpn(client, validated)).encode()
        case Family.RFC7469:
            return json.dumps(_rfc7469(client, world.served, validated), indent=1).encode()


def _chromium(client: Client, served: Iterable[Certificate], validated: Iterable[Certificate]) -> Members:
    expires = client.clock + _MAX_AGE if client.enforcing else client.clock
    return {
        "date-time": f"{client.clock:%Y-%m-%dT%H:%M:%S}.250Z",
        "effective-expiration-date": f"{expires:%Y-%m-%dT%H:%M:%S}.250Z",
        "hostname": HOST,
        "include-subdomains": False,
        "known-pins": _directives(client),
        "noted-hostname": HOST,
        "port": 443,
        "served-certificate-chain": [pem(c) for c in served],
        "validated-certificate-chain": [pem(c) for c in validated],
    }


def _apple(client: Client, chain: Iterable[Certificate], untrusted: bool) -> Members:
    return {
        "app-bundle-id": "com.example.shop",
        "app-version": "4.2",
        "app-platform": "MACOS" if client.on_macos else "IOS",
        "app-platform-version": "18.1.0",
        "app-vendor-id": "7B1C3F6E-0D52-4B0B-9A4C-2F7E7E2B8F11",
        "trustkit-version": "3.0.7",
        "date-time": _apple_date(client),
        "hostname": HOST,
        "port": 0,
        "noted-hostname": HOST,
        "include-subdomains": False,
        "enforce-pinning": client.enforcing,
        "validated-certificate-chain": [pem(c, newline="\r\n", final="") for c in chain],
        "known-pins": _directives(client),
        "validation-result": 2 if untrusted else 1,
        "known-pins-expiration-date": None,
    }


def _android(
    client: Client, served: Iterable[Certificate], validated: Iterable[Certificate], untrusted: bool
) -> Members:
    return {
        "app-bundle-id": "com.example.shop",
        "app-version": "4.2",
        "app-vendor-id": "7b1c3f6e-0d52-4b0b-9a4c-2f7e7e2b8f11",
        "app-platform": "ANDROID",
        "trustkit-version": "1.1.5",
        "hostname": HOST,
        "port": 0,
        "noted-hostname": HOST,
        "include-subdomains": False,
        "enforce-pinning": client.enforcing,
        "validation-result": 2 if untrusted else 1,
        "date-time": f"{client.clock + client.zone:%Y-%m-%dT%H:%M:%SZ}",
        "validated-certificate-chain": [pem(c, columns=76) for c in validated],
        "served-certificate-chain": [pem(c, columns=76) for c in served],
        "known-pins": _directives(client),
    }


def _go(client: Client, served: Iterable[Certificate], validated: Iterable[Certificate]) -> Members:
    return {
        "date-time": _with_offset(client.clock),
        "hostname": HOST,
        "port": 443,
        "effective-expiration-date": f"{client.clock + _MAX_AGE:%Y-%m-%dT%H:%M:%SZ}",
        "include-subdomains": False,
        "noted-hostname": HOST,
        "served-certificate-chain": [pem(c) for c in served] or None,
        "validated-certificate-chain": [pem(c) for c in validated] or None,
        "known-pins": list(client.known_pins),
    }


def _bridge(client: Client, chain: Iterable[Certificate]) -> Members:
    return {
        "date-time": _with_offset(client.clock),
        "hostname": HOST,
        "port": "443",
        "effective-expiration-date": _with_offset(client.clock + timedelta(days=365)),
        "include-subdomains": False,
        "noted-hostname": HOST,
        "served-certificate-chain": [pem(c) for c in chain],
        "validated-certificate-chain": None,
        "known-pins": _directives(client),
        "app-version": "Bridge_3.4.1",
    }


def _vpn(client: Client, validated: Iterable[Certificate]) -> Members:
    return {
        "date-time": f"{client.clock:%Y-%m-%dT%H:%M:%S}",
        "hostname": HOST,
        "port": 443,
        "validated-certificate-chain": [pem(c, final="") for c in validated],
        "known-pins": list(client.known_pins),
    }


def _rfc7469(client: Client, served: Iterable[Certificate], validated: Iterable[Certificate]) -> Members:
    return {
        "hostname": HOST,
        "noted-hostname": HOST,
        "port": 443,
        "date-time": f"{client.clock:%Y-%m-%dT%H:%M:%SZ}",
        "effective-expiration-date": f"{client.clock + _MAX_AGE:%Y-%m-%dT%H:%M:%SZ}",
        "include-subdomains": False,
        "known-pins": _directives(client),
        "served-certificate-chain": [pem(c) for c in served],
        "validated-certificate-chain": [pem(c) for c in validated] if client.validates_to_report else [],
    }


def _directives(client: Client) -> list[str]:
    return [f'pin-sha256="{pin}"' for pin in client.known_pins]


def _apple_date(client: Client) -> str | None:
    """Write the date as the device counts years: 543 more in Thailand, from 2019 on in Japan."""
    if client.calendar is Calendar.UNDATED:
        return None
    added = {Calendar.BUDDHIST: 543, Calendar.JAPANESE: -2018}.get(client.calendar, 0)
    return f"{client.clock.year + added:04}{client.clock:-%m-%dT%H:%M:%SZ}"


def _with_offset(moment: datetime) -> str:
    return moment.astimezone(_LOCAL).isoformat(timespec="seconds")


def pem(certificate: Certificate, *, columns: int = 64, newline: str = "\n", final: str = "\n") -> str:
    """Write PEM in lines of this length; LF stands around the lines, whatever is between them."""
    text = base64.b64encode(certificate.der).decode("ascii")
    lines = newline.join(text[start : start + columns] for start in range(0, len(text), columns))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----{final}"
