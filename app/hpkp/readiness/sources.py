"""Whom to believe: the few networks from which the operator ignores reports of a cause are ignored for all of it.

Anybody can send reports, in as many variations and under as many install ids as they like, but not from as many
networks. One decision of the operator's therefore has to be enough: what is reported only from where the same cause was
ignored before does not hold the verdict back. It does again as soon as it is reported from anywhere else.

What may be an attack is never left out: nobody can make up a certificate of a trusted CA.
"""

from collections.abc import Iterable

from app.hpkp.judgement.causes import ALARMING, Cause

FEW = 8
"""So many networks of a violation are kept; with all of these there may be more."""

Disbelieved = frozenset[tuple[Cause, bytes]]
"""Of which cause nothing is believed that comes from which network."""


def disbelieve(ignored: Iterable[tuple[Cause, frozenset[bytes] | None]]) -> Disbelieved:
    """Return what the operator does not believe, by the violations they set to ignored; None for networks unknown."""
    return frozenset(
        (cause, network)
        for cause, networks in ignored
        if networks is not None and cause not in ALARMING and len(networks) < FEW
        for network in networks
    )


def is_believed(cause: Cause, networks: frozenset[bytes] | None, disbelieved: Disbelieved) -> bool:
    """Whether a violation counts: unless it comes only from where the same cause is not believed."""
    if not networks or cause in ALARMING or len(networks) >= FEW:
        return True
    return any((cause, network) not in disbelieved for network in networks)
