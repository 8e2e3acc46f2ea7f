"""Audiences: those for whom a verdict is given apart. The clients that read a site's header, or a release of an app.

::

    (sender, app, version) of a report ──find_audiences(known)──> the audiences against which it counts
"""

from collections.abc import Collection
from dataclasses import dataclass

from app.hpkp.report import Sender

CARRIES_PINS = frozenset(
    {
        Sender.TRUSTKIT_APPLE,
        Sender.TRUSTKIT_ANDROID,
        Sender.PROTON_BRIDGE,
        Sender.PROTON_VPN,
        Sender.REACT_NATIVE,
    }
)
"""Senders whose pins come with the app. All others read them from the header, browsers and tam7t/hpkp alike."""


@dataclass(frozen=True, slots=True, order=True)
class Audience:
    """The site (no ``app``), or a release of an app; without a version the app as a whole.

    ``unknown`` is all apps whose installs are unknown.
    """

    app: str = ""
    version: str = ""
    unknown: bool = False

    @property
    def is_site(self) -> bool:
        """Whether its clients read the pins from the header."""
        return not self.app and not self.unknown

    def __str__(self) -> str:
        """Name it in a sentence."""
        if self.unknown:
            return "apps without install counts"
        return f"{self.app} {self.version}".strip() or "the site"


SITE = Audience()
UNKNOWN_APPS = Audience(unknown=True)


def find_audiences(sender: Sender, app: str, version: str, known: Collection[Audience]) -> frozenset[Audience]:
    """Find the audiences against which a report counts, of those whose exposure is known.

    What the report leaves open counts against each that it may be from: it errs on the careful side. An app never
    counts against the site, whose visitors say nothing about it.

    1. A report of a sender that reads the header is the site's.
    2. A release that is known, else its app as a whole if that is known.
    3. Without a version every release of the app; without an app's name those of the only app that is known.
    4. Else one of the apps whose installs are unknown.
    """
    if sender not in CARRIES_PINS:
        return frozenset({SITE})  # 1
    for named in (Audience(app, version), Audience(app)):
        if app and named in known:
            return frozenset({named})  # 2
    apps = {audience.app for audience in known if audience.app}
    wanted = app or (next(iter(apps)) if len(apps) == 1 else "")
    releases = frozenset(audience for audience in known if audience.app and audience.app == wanted)
    return releases if releases and not (app and version) else frozenset({UNKNOWN_APPS})  # 3, 4
