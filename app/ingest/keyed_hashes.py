"""Keyed hashes in place of addresses: of clients, of networks, and of what was sent by whom.

The key is the store's, so hashes of one store can be compared with each other and with nothing else.
"""

import hashlib
from datetime import datetime

from lru import LRU

from app.hpkp.clients import network_of
from app.hpkp.report import Sender, ViolationReport
from app.ingest.entry import CLIENT_BYTES, NETWORK_BYTES, SUBMISSION_BYTES, UNKNOWN_NETWORK
from app.ingest.envelope import Envelope

_REMEMBERED = 50_000
"""Addresses whose hashes are remembered, in 10 MB. With 10,000 places 10,007 clients always missed: 10 us each."""
_SECOND_BYTES = 4


class KeyedHashes:
    """Hashes under the key of a store."""

    def __init__(self, key: bytes) -> None:
        # The second takes the first 4 of the 16 bytes, see `second_of_date`.
        self._submissions = hashlib.blake2b(digest_size=SUBMISSION_BYTES - _SECOND_BYTES, key=key)
        self._clients = hashlib.blake2b(digest_size=CLIENT_BYTES, key=key)
        self._networks = hashlib.blake2b(digest_size=NETWORK_BYTES, key=key)
        self._addresses: LRU[str, tuple[bytes, bytes]] = LRU(_REMEMBERED)

    def of_address(self, address: str) -> tuple[bytes, bytes]:
        """Return the hashes of a client at an address, and of its network."""
        if (found := self._addresses.get(address)) is None:
            network = network_of(address)
            hashed = _hash(self._networks, network.encode()) if network else UNKNOWN_NETWORK
            found = self._addresses[address] = _hash(self._clients, address.encode()), hashed
        return found

    def of_install(self, install_id: str) -> bytes:
        """Return the hash of a client that names its install."""
        return _hash(self._clients, install_id.encode())

    def of_submission(self, fingerprint: bytes, second: bytes, envelope: Envelope) -> bytes:
        """Return the hash of what was sent by whom: the same for a retry. See `second_of`."""
        address = envelope.address
        # With the length of the address: else another address and label could give the same text.
        around = f"{len(address)} {address} {envelope.label} {envelope.mode} "
        return second + _hash(self._submissions, around.encode() + fingerprint)


def of_further_report(submission: bytes, position: int) -> bytes:
    """Return the digest of another report of a submission than its first one, by its place in it."""
    # Without a key, which the fold need not have: the hash of the submission is keyed already.
    digest = hashlib.blake2b(submission + position.to_bytes(2, "big"), digest_size=SUBMISSION_BYTES - _SECOND_BYTES)
    # All reports of a body lie together in the index, as those of a second do.
    return submission[:_SECOND_BYTES] + digest.digest()


def second_of(report: ViolationReport) -> bytes:
    """Return the second of a report in 4 bytes, as its body says it."""
    # The date of an entry of the Reporting API may be reckoned from its receipt: not the same for a retry.
    return second_of_date(None if report.sender is Sender.REPORTING_API else report.date_time)


def second_of_date(date_time: datetime | None) -> bytes:
    """Return the second of a date in 4 bytes.

    Digests begin with it so that those of reports that come together lie together in the store's index: a transaction
    then writes a few pages of it, and not one for each report.
    """
    second = 0 if date_time is None else int(date_time.timestamp()) & 0xFFFFFFFF
    return second.to_bytes(_SECOND_BYTES, "big")


def _hash(keyed: "hashlib.blake2b", value: bytes) -> bytes:
    """Hash with a key that is in already: half of the work for a short value."""
    digest = keyed.copy()
    digest.update(value)
    return digest.digest()
