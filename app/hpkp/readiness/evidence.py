"""What the rules look at: the policy, what has been seen of it, and the limits."""

import math
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from app.hpkp.app_pins.lockout import ReleaseCheck
from app.hpkp.app_pins.reporting import ReportingRelease
from app.hpkp.audience import Audience
from app.hpkp.catalog import Catalog
from app.hpkp.clients import ClientCount
from app.hpkp.control import NO_CONTROL, Control, Delivery, measure_delivery
from app.hpkp.deployment import LONGEST_REMEMBERED, remembered_revisions
from app.hpkp.exposure import first_whole_day
from app.hpkp.judgement.causes import SIDE, Cause, Side
from app.hpkp.overflow import Refusals
from app.hpkp.policy import Mode, PinningPolicy, PolicyHistory
from app.hpkp.probe_result import LiveHost
from app.hpkp.readiness.evidence_days import DAY, CoveredDays, Observations, cover, evidence_window, start_of_day

LONGEST_STEP = timedelta(days=60)
"""The last step of the ramp: a reasonable upper limit of max-age (RFC 7469 section 4.1)."""


class Verdict(StrEnum):
    """The answer to the operator's one question."""

    READY = "ready"
    NOT_READY = "not_ready"
    NOT_ENOUGH_DATA = "not_enough_data"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The limits that the rules use; echoed in every answer."""

    observation: timedelta = timedelta(days=14)
    """How many covered days a report-only revision needs, as a time."""
    covered_age: timedelta = timedelta(days=3)
    """How long ago the last covered day may have ended."""
    probe_age: timedelta = timedelta(hours=48)
    """How old the last look at the host may be, and how far apart two may be to say what was between."""
    canary_age: timedelta = timedelta(hours=24)
    """How long ago the last canary may have arrived."""
    # With none seen of n clients the bound is about 3 / n, so no audience under 3,000 clients is ready with this limit.
    lockout_share: float = 0.001
    """Largest share of clients that our own mistakes may lock out; compared with the upper 95% bound."""
    interception_share: float = 0.01
    """Largest share of clients whose apps enforcing may cut off behind interception."""

    private_addresses: bool = False
    """Whether clients and hosts have private addresses, so that a report-uri may have one, too."""

    def as_plain(self) -> dict[str, float]:
        """Return the thresholds under the names of the answer, each with its unit."""
        return {
            "observation_days": self.observation.days,
            "covered_age_days": round(self.covered_age / DAY, 9),
            "probe_age_hours": self.probe_age / timedelta(hours=1),
            "canary_age_hours": self.canary_age / timedelta(hours=1),
            # Rounded, because a limit of 7% would be shown as 7.000000000000001.
            "lockout_percent": round(100 * self.lockout_share, 9),
            "interception_percent": round(100 * self.interception_share, 9),
        }


class Group(StrEnum):
    """Whose doing it is that enforcing would lock clients out."""

    OURS = "ours"
    """Keys or paths of ours without an expected pin."""
    INTERCEPTION = "interception"
    """Apps behind software that the client was made to trust."""
    HOSTILE = "hostile"
    """A key that nobody here knows, vouched for by a public CA, or one known to be compromised."""
    UNKNOWN = "unknown"
    """The reports do not tell whether the client would be locked out."""


_ENDED_BY_UPDATE = frozenset({Cause.STALE_KNOWN_PINS, Cause.RELEASE_PINS_EXPIRED})


@dataclass(frozen=True, slots=True)
class OpenViolation:
    """A violation of the window that nobody has closed, or that was reported again; ``reports`` is a lower bound."""

    id: int
    cause: Cause
    reports: int
    last_received_at: datetime
    locks_out: bool | None = None
    hostname: str = ""
    resolved_at: datetime | None = None
    """When it was set to resolved, where it was reported again since."""
    reopened: str = ""
    """The status that it was given and that does not hold any more, see `app.hpkp.readiness.decisions`."""
    enforced: bool = False
    """Whether its clients say that they enforce the pins."""

    @property
    def locked_out_now(self) -> bool:
        """Whether its clients refuse the connection now, by a mistake or a former policy of ours."""
        # Only of the operator's side: to refuse the chain of another party is what pins are for.
        return self.enforced and bool(self.locks_out) and SIDE[self.cause] is Side.OURS

    @property
    def group(self) -> Group | None:
        """Under whose doing its clients are counted; None for those that enforcing does not lock out, and forgeries."""
        # Neither clients that certainly stay connected nor forged ones may use up a limit.
        if self.cause is Cause.IMPLAUSIBLE or self.locks_out is False:
            return None
        # A pin in a chain that was only sent does not show that the client had it on its path.
        open_question = self.locks_out or self.cause is Cause.MATCHES_EXPECTED
        by_side = {
            # Outdated pins are our doing only if they lock the client out now; else the update ends them.
            Side.OURS: None if self.cause in _ENDED_BY_UPDATE and not self.locks_out else Group.OURS,
            Side.INTERCEPTION: Group.INTERCEPTION if self.locks_out else Group.UNKNOWN,
            Side.HOSTILE: Group.HOSTILE,
            Side.NOT_A_PIN_MATTER: Group.UNKNOWN if open_question else None,
            Side.UNKNOWN: Group.UNKNOWN,
        }
        return by_side[SIDE[self.cause]]


@dataclass(frozen=True, slots=True)
class LockedOut:
    """Clients of one release, or of one kind of sender, that are locked out now; ``reports`` is a lower bound.

    ``app`` is empty for browsers, and for programs whose reports do not name them. ``pins_in_app`` is False for
    browsers, and None if the sender is of no known kind. ``installs`` are those of the release on its busiest day,
    None if they are not known.
    """

    app: str
    app_version: str
    reports: int
    installs: int | None = None
    pins_in_app: bool | None = False


@dataclass(frozen=True, slots=True)
class CanarySeen:
    """What is known of the canaries of a host: when one last arrived, and what became of the one sent last."""

    received_at: datetime | None = None
    sent_at: datetime | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What has been seen since the revision took effect. None means not known, which is not zero."""

    reports: int = 0
    open_violations: tuple[OpenViolation, ...] = ()
    left_out: tuple[OpenViolation, ...] = ()
    """Open as well, but reported only from where the operator ignores reports of the same cause."""
    locked_out: tuple[LockedOut, ...] = ()
    """Who is locked out now, by release, those with the most reports first."""
    networks: dict[Cause, int] = field(default_factory=dict)
    """From how many networks the open violations of a cause were reported, by those of which that is known.

    ``FEW`` stands for so many or more.
    """
    clients: dict[Audience, dict[Group, ClientCount]] = field(default_factory=dict)
    """Distinct clients of each audience that reported the open violations of each group; more may not have reported."""
    unknown_apps: tuple[str, ...] = ()
    """Apps with their versions that reported open violations, and of whose installs nothing is known."""
    observed: Observations = field(default_factory=Observations)
    """What the covered days are worked out from."""
    live: LiveHost | None = None
    """What the last probe saw."""
    canary: CanarySeen = CanarySeen()
    hostnames: dict[str, int] = field(default_factory=dict)
    """Names for which reports came, each with how many."""
    subdomains: tuple[str, ...] = ()
    """Names below the host that were probed, or whose visitors were counted."""
    probed_below: tuple[LiveHost, ...] = ()
    """What names below the host were last seen to serve, if includeSubDomains puts the pins on them."""
    control: Control = NO_CONTROL
    """Who received and who reported control pins."""
    unevaluated: int = 0
    """Violations that are still judged by another policy, catalog or version than is in force."""
    clock_doubt: str | None = None
    """Why the collector's clock is implausible; None if it is not, and for a past moment."""
    releases: tuple[ReleaseCheck, ...] = ()
    """What each registered release that pins the host does with the chains served, the worst first; without reports."""
    reporting: tuple[ReportingRelease, ...] = ()
    """Releases that open violations were reported from, as the reports say."""
    refused: Refusals | None = None
    """What may be reports and was refused or not kept since `Situation.evidence_since`; None if nothing was."""


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a rule may look at. ``history`` holds every revision, the policy's own among them."""

    policy: PinningPolicy
    evidence: Evidence
    at: datetime
    history: PolicyHistory = field(default_factory=lambda: PolicyHistory(()))
    limits: Thresholds = Thresholds()
    catalog: Catalog = field(default_factory=Catalog)
    audiences: tuple[CoveredDays, ...] = field(init=False)
    """The audiences in use with their days, worked out once because most rules ask for them."""

    def __post_init__(self) -> None:
        """Work out the covered days."""
        days = cover(
            self.evidence.observed,
            self.policy.expected,
            window=self.window,
            look_age=self.limits.probe_age,
            reported=self.evidence.clients,
        )
        object.__setattr__(self, "audiences", days)

    @property
    def since(self) -> datetime:
        """Since when clients see the policy as it is: what they do not see restarts no clock."""
        # Without a date nothing was visible before now, and no day can be evidence.
        return self.history.unchanged_since(self.policy) or self.at

    @property
    def needed_days(self) -> int:
        """How many covered days each audience needs: one at least, or nothing would rest on anything."""
        return max(1, math.ceil(self.needed_observation / DAY))

    @property
    def window(self) -> tuple[date, date]:
        """The first and the last whole day that may be evidence."""
        return evidence_window(self.since, self.at, needed=self.needed_days)

    @property
    def evidence_since(self) -> datetime:
        """Since when the verdict rests on silence: the first of the newest covered days that it needs.

        As long as an audience has too few, from the first day of the window.
        """
        needed, (first, _) = self.needed_days, self.window
        # Older days are not needed, so what was refused on them no longer withholds: the effect of a flood ends.
        oldest = [known.covered[-needed].day if len(known.covered) >= needed else first for known in self.audiences]
        return max(self.since, start_of_day(min(oldest)))

    @property
    def earliest(self) -> datetime:
        """When enough days can be covered at the earliest, if nothing is missing from now on."""
        # The slowest audience decides, as it does for the verdict.
        missing = max(self.needed_days - len(audience.covered) for audience in self.audiences)
        first = max(first_whole_day(self.since), self.at.date())
        return self.at if missing <= 0 else start_of_day(first + missing * DAY)

    @property
    def needed_observation(self) -> timedelta:
        """How long the revision has to be observed before its next step.

        In report-only mode as the limits say. A step that is enforced has to last as long as clients remember it, and
        a day at least.
        """
        if self.policy.mode is Mode.REPORT_ONLY:
            return self.limits.observation
        return max(timedelta(days=1), self.max_age)

    @property
    def delivery(self) -> Delivery | None:
        """The lowest measured share of clients that report; None if it was not measured."""
        # Of several measurements the lowest: a wider bound is the careful one.
        return measure_delivery(self.evidence.control)

    def delivery_of(self, audience: Audience) -> Delivery | None:
        """Return the measured share of an audience's clients that report; None if it was not measured."""
        return measure_delivery(self.evidence.control, of_apps=not audience.is_site)

    @property
    def ending(self) -> bool:
        """Whether the policy tells clients to forget their pins (RFC 7469 section 2.1.2)."""
        return self.policy.mode is Mode.ENFORCE and self.policy.max_age == 0

    @property
    def apps_only(self) -> bool:
        """Whether the pins are in apps alone, by what is known of their audiences."""
        return not any(known.audience.is_site for known in self.audiences)

    def caches_end(self, *, former_only: bool = False) -> datetime | None:
        """When the last browser drops the pins of any enforced revision, if none meets the header again after now.

        ``former_only`` leaves out the policy itself. None if no revision is known of which browsers may have pins.
        """
        # A revision that was replaced can outlast the current one, if its max-age was longer.
        moments = [until for _, until in remembered_revisions(self.history, self.at)]
        if self.policy.mode is Mode.ENFORCE and not former_only:
            moments.append(self.at + self.max_age)
        return max(moments, default=None)

    @property
    def max_age(self) -> timedelta:
        """For how long clients note the policy."""
        return timedelta(seconds=min(self.policy.max_age or 0, LONGEST_REMEMBERED))
