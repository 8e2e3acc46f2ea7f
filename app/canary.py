"""Canaries: synthetic reports sent through the public report-uri, to prove that reports arrive.

::

    Service.send_canary ──make──> body ──send──> DNS, TLS, proxies ──> POST /report ──read_canary──> received, once

A canary has the form of RFC 7469, so that what stands in between treats it as a report, and one member more with an
HMAC under a key of the store's. Nobody else can make one, and each counts once, within the hour. It is never a
violation: whatever carries the member is a canary or nothing.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app import __version__
from app.hpkp.policy import PinningPolicy
from app.outbound import Bounds, OutboundError, fetch

MARKER = b'"hpkp-canary"'
"""Stands in the body of every canary."""

LIFETIME = timedelta(hours=1)
"""How old a canary may be when it arrives."""

_PATIENCE = 20.0
"""Seconds from resolving the name to the answer."""
_NONCE_BYTES = 16


@dataclass(frozen=True, slots=True)
class Canary:
    """A canary that was signed here: for which host, and which one."""

    host: str
    nonce: bytes
    sent_at: datetime


class InvalidCanary(ValueError):
    """A body with the mark that is no canary of this store's."""


def make_canary(policy: PinningPolicy, nonce: bytes, *, key: bytes, at: datetime) -> bytes:
    """Make the body of a canary for the policy's host; a nonce is 16 random bytes, used once."""
    sent = int(at.timestamp() * 1000)
    moment = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps(
        {
            "date-time": moment,
            "effective-expiration-date": moment,
            "hostname": policy.host,
            "include-subdomains": policy.include_subdomains,
            "known-pins": [f'pin-sha256="{expected.pin}"' for expected in policy.pins],
            "noted-hostname": policy.host,
            "port": 443,
            "served-certificate-chain": [],
            "validated-certificate-chain": [],
            "hpkp-canary": {
                "nonce": nonce.hex(),
                "sent": sent,
                "signature": _signature(policy.host, nonce, sent, key).hex(),
            },
        }
    ).encode()


def read_canary(body: bytes, *, key: bytes, at: datetime) -> Canary:
    """Read the body of a canary. Raises InvalidCanary for what was not signed with the key, or too long ago."""
    try:
        members = json.loads(body)
        host, told = members["hostname"], members["hpkp-canary"]
        nonce, sent, signature = bytes.fromhex(told["nonce"]), told["sent"], bytes.fromhex(told["signature"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InvalidCanary("the member hpkp-canary is for canaries of this service, and this is none") from None
    if not isinstance(host, str) or type(sent) is not int or len(nonce) != _NONCE_BYTES:
        raise InvalidCanary("the member hpkp-canary is for canaries of this service, and this is none")
    if not hmac.compare_digest(signature, _signature(host, nonce, sent, key)):
        raise InvalidCanary("the canary was not signed by this service")
    sent_at = datetime.fromtimestamp(sent / 1000, UTC)
    if abs(at - sent_at) > LIFETIME:
        raise InvalidCanary("the canary is older than an hour, or from the future")
    return Canary(host, nonce, sent_at)


def _signature(host: str, nonce: bytes, sent: int, key: bytes) -> bytes:
    message = b"\0".join((b"hpkp-canary", host.encode("utf-8", "surrogatepass"), nonce, str(sent).encode()))
    return hmac.new(key, message, hashlib.sha256).digest()


async def send(report_uri: str, body: bytes, *, private_addresses: bool) -> str | None:
    """Post a canary as a browser posts a report; return why it was not taken, or None. Follows no redirect."""
    headers = [("Content-Type", "application/json"), ("User-Agent", f"hpkp-collector/{__version__} (canary)")]
    bounds = Bounds(_PATIENCE, private_addresses=private_addresses)
    try:
        answer = await fetch("POST", report_uri, headers=headers, content=body, bounds=bounds)
    except OutboundError as error:
        return f"{report_uri} did not answer: {error}"[:300]
    if answer.is_redirect:
        return f"{report_uri} answered {answer.status}, a redirect, which loses the reports of browsers"
    return None if answer.is_success else f"{report_uri} answered {answer.status}"
