"""What each client does on a connection: which path it validates, what it compares, whether it reports.

Sources: facts read from the senders' code. Chromium: `CheckPinsAndMaybeSendReport` in
net/http/transport_security_state.cc. TrustKit: TSKPinningValidator.m; PinningTrustManager.java. Go: dialer.go and
report.go of tam7t/hpkp. Proton: dialer_pinning_checker_default.go, dialer_pinning_reporter.go of proton-bridge; VPN's
TlsPinningPolicy compares the leaf's key alone.
"""

import random
from dataclasses import dataclass
from enum import Flag, auto

from tests.support.differential.certificates import Certificate
from tests.support.differential.verifier import Path, Verifier, covers
from tests.support.differential.world import HOST, Client, Family, World


class Failure(Flag):
    """Why a client does not trust a chain; all that holds."""

    NONE = 0
    NO_PATH = auto()
    OUT_OF_DATE = auto()
    OTHER_NAME = auto()


@dataclass(frozen=True, slots=True)
class Connection:
    """How the handshake went."""

    path: Path | None
    """The path that the client validated; None where it found none, or does not look for one."""
    failure: Failure
    compared: frozenset[str]
    """The pins that the client compares with those that it knows."""
    bypassed: bool
    """The client skips Pin Validation because of an installed root."""

    @property
    def trusted(self) -> bool:
        """Whether the client trusts the chain, so that it compared pins."""
        return self.failure is Failure.NONE


def verifier_of(client: Client) -> Verifier:
    """Return how strict the client is."""
    return Verifier(
        client.clock,
        names_by_bytes=client.family in (Family.GO, Family.PROTON_BRIDGE),
        anchor_dates=client.family is not Family.TRUSTKIT_ANDROID,
    )


def connect(world: World, choice: random.Random) -> Connection:
    """Connect the world's client to the world's server; it takes any of several paths."""
    client, served = world.client, world.served
    leaf, others = served[0], (*served[1:], *client.cached)
    if client.pin_only:
        return Connection(None, Failure.NONE, frozenset(c.pin for c in served), bypassed=False)
    verifier = verifier_of(client)
    paths = sorted(verifier.paths(leaf, others, client.store.anchors), key=len)
    if not paths or not covers(leaf, HOST):
        return Connection(None, _failure(world, verifier), frozenset(), bypassed=False)
    # Most builders stop at the first anchor; which path is found first is the builder's matter.
    path = paths[0] if choice.random() < 0.4 else choice.choice(paths)
    return Connection(path, Failure.NONE, _compared(client, path, served), bypassed=_bypasses(client, path))


def _failure(world: World, verifier: Verifier) -> Failure:
    client, served = world.client, world.served
    leaf, others = served[0], (*served[1:], *client.cached)
    failure = Failure.NONE if covers(leaf, HOST) else Failure.OTHER_NAME
    if verifier.paths(leaf, others, client.store.anchors):
        return failure
    timeless = Verifier(None, names_by_bytes=verifier.names_by_bytes)
    reached = timeless.paths(leaf, others, client.store.anchors)
    return failure | (Failure.OUT_OF_DATE if reached else Failure.NO_PATH)


def _compared(client: Client, path: Path, served: tuple[Certificate, ...]) -> frozenset[str]:
    if client.family in (Family.GO, Family.PROTON_BRIDGE):
        return frozenset(certificate.pin for certificate in served)
    if client.family is Family.PROTON_VPN:
        return frozenset({path[0].pin})
    return frozenset(certificate.pin for certificate in path)


def _bypasses(client: Client, path: Path) -> bool:
    bypassing = client.family is Family.CHROMIUM or client.on_macos
    return bypassing and path[-1] in client.store.installed


def reports(client: Client, connection: Connection) -> bool:
    """Whether the client sends a report of the connection."""
    if connection.bypassed:
        return False
    if connection.trusted:
        return not connection.compared & set(client.known_pins)
    # Only TrustKit reports chains that it does not trust (validation-result 2).
    return client.family in (Family.TRUSTKIT_APPLE, Family.TRUSTKIT_ANDROID)
