"""The identity of a violation: the distinct fact that many reports repeat.

In: host, port, noted host, mode, sender, known pins, both chains, the sender's own result, and whether the form fits
the sender: a forged report must not be judged in the place of a real one.
Out: dates, user agent, app and app version, the install. A violation is judged once, its reports are counted.
"""

import hashlib
from collections.abc import Iterator

from app.hpkp.report import ViolationReport
from app.hpkp.x509.certificate import Certificate, Chain


def chain_digest(chain: Chain) -> bytes:
    """Return 32 bytes that name a chain: its certificates in their order, unreadable ones by their content."""
    digest = hashlib.sha256()
    for element in chain:
        if isinstance(element, Certificate):
            digest.update(element.fingerprint)
        elif element.fingerprint is not None:
            digest.update(b"?" + element.fingerprint)
        else:
            pin = b"" if element.pin is None else element.pin.digest
            digest.update(b"-" + hashlib.sha256(pin + element.reason.encode()).digest())
    return digest.digest()


def identity_of(report: ViolationReport) -> bytes:
    """Return the 32 bytes under which all reports of the same violation are counted."""
    digest = hashlib.sha256()
    for part in _parts(report):
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    return digest.digest()


def _parts(report: ViolationReport) -> Iterator[bytes]:
    yield report.hostname.encode()
    yield str(report.port).encode()
    yield str(report.noted_hostname).encode()
    yield str(report.mode).encode()
    yield report.sender.encode()
    yield b"".join(sorted({pin.digest for pin in report.known_pins}))
    yield "\n".join(sorted(set(report.unreadable_pins))).encode()
    yield b"-" if report.served_chain is None else chain_digest(report.served_chain)
    yield b"-" if report.validated_chain is None else chain_digest(report.validated_chain)
    yield str(report.sender_result).encode()
    yield b"implausible" if report.contradictions else b""
