"""The release of an app that a report may come from, by the registry of releases.

Everything here is a function of the violation's facts (sender, app, known pins, host), never of the version that one of
its reports names: a violation is judged once, whichever report of it came first.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from app.hpkp.app_pins.forms import Form
from app.hpkp.app_pins.model import ExpiryState
from app.hpkp.app_pins.release import AppRelease
from app.hpkp.app_pins.reporting import pin_sets, platforms_of
from app.hpkp.pins import Pin
from app.hpkp.report import Sender, ViolationReport
from app.hpkp.violation import app_of

_NAMELESS_FORMS: dict[Sender, frozenset[Form]] = {Sender.REACT_NATIVE: frozenset({Form.SSL_MANAGER})}
"""Forms whose sender names no app: a host with such a release is asked about it by its form."""


@dataclass(frozen=True, slots=True)
class ClientRelease:
    """What the registry knows of a client: the releases with exactly its pins, and the others that pin the host.

    No release with its pins: the client's is not registered, or carries others than its registered configuration.
    """

    matching: tuple[AppRelease, ...]
    pins_of_others: frozenset[Pin]
    """Keys that other registered releases pin for the host."""
    expired: bool
    """Whether the pins of all matching releases have expired on every device."""
    retired: bool
    """Whether the operator said of all matching releases that no install of them matters."""

    def describe(self) -> str:
        """Name the releases in a sentence."""
        if not self.matching:
            return "a release that is not registered"
        named = ", ".join(map(str, self.matching[:_SHOWN]))
        return f"{named} and {len(self.matching) - _SHOWN} more" if len(self.matching) > _SHOWN else named


_SHOWN = 3


def find_client_release(
    report: ViolationReport, releases: Iterable[AppRelease], *, at: datetime
) -> ClientRelease | None:
    """Find what is registered of the client; None if its pins come with no app of the operator.

    1. Releases of the app that the report names, on a platform of the sender.
    2. Without a name: releases with exactly the known pins, or with a form whose sender names no app.
    """
    platforms = platforms_of(report.sender)
    pinning = [one for one in releases if one.pins_host(report.hostname)]
    possible = [one for one in pinning if one.platform in platforms]
    app = app_of(report)
    known = frozenset(report.known_pins)
    # 1
    if app:
        candidates = [one for one in possible if one.app == app]
    else:
        # 2
        forms = _NAMELESS_FORMS.get(report.sender, frozenset())
        candidates = [
            one
            for one in possible
            if known in pin_sets(one, report.hostname) or any(layer.form in forms for layer in one.layers)
        ]
    # Without known pins nothing says which release it is, nor what it compared.
    if not candidates or not known:
        return None
    # Exactly the set of a layer: with other pins, the client's configuration is not the registered one.
    matching = tuple(one for one in candidates if known in pin_sets(one, report.hostname))
    # Keys of the same pins in another platform's release are no other release's.
    others = [one for one in pinning if one not in matching]
    return ClientRelease(
        matching,
        pins_of_releases(others, report.hostname),
        bool(matching) and all(_expired(one, report.hostname, at) for one in matching),
        # All of them: one release in use with the same pins may be the one that reported.
        bool(matching) and all(one.is_retired(at) for one in matching),
    )


def pins_of_releases(releases: Iterable[AppRelease], host: str) -> frozenset[Pin]:
    """Return every key that registered releases pin for a host: the operator said that these are theirs."""
    return frozenset(pin for one in releases for pins in pin_sets(one, host) for pin in pins)


def _expired(release: AppRelease, host: str, at: datetime) -> bool:
    """Whether every layer that may report has stopped to check the host, in every time zone."""
    states = [
        entry.state_at(at, layer.traits.expiry_rule) for layer in release.layers for entry in layer.entries_for(host)
    ]
    return bool(states) and all(state is ExpiryState.OFF for state in states)
