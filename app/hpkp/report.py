"""A violation report as this service means it, whatever the sender wrote (RFC 7469 section 3)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from app.hpkp.hosts import Host
from app.hpkp.pins import Pin
from app.hpkp.policy import Mode
from app.hpkp.x509.certificate import Chain


class Sender(StrEnum):
    """The family of UA that a report's form points to; a claim, not a proof."""

    CHROMIUM = "chromium"
    TRUSTKIT_APPLE = "trustkit-apple"
    TRUSTKIT_ANDROID = "trustkit-android"
    PROTON_BRIDGE = "proton-bridge"
    PROTON_VPN = "proton-vpn"
    REACT_NATIVE = "react-native-ssl-manager"
    GO_HPKP = "go-hpkp"
    """tam7t/hpkp for Go and its kin: bare pins, a program of any kind."""
    REPORTING_API = "reporting-api"
    """An entry of type hpkp in a Reporting API envelope; no UA is known to send it."""
    RFC7469 = "rfc7469"
    """Has the members of RFC 7469 section 3 but the form of no sender known here."""


class SenderResult(StrEnum):
    """What the sender itself says of the chain (TrustKit's ``validation-result``)."""

    PINS_NOT_MATCHED = "pins_not_matched"
    CHAIN_NOT_TRUSTED = "chain_not_trusted"
    OTHER = "other"


_PLAUSIBLE_YEARS = range(1970, 2100)
"""From the clock that was never set to the last one that a device made today may still have."""
_BUDDHIST_YEARS = range(2558, 2601)
"""2015 to 2057 in the Thai solar calendar, whose months and days are those of the Gregorian one."""
_BUDDHIST_ERA = 543


def gregorian_year(year: int) -> int | None:
    """Return the Gregorian year that a device's calendar shows as ``year``; None if it can be of several calendars.

    Formatters that follow the device's settings write Thai (2569), Japanese (8), Minguo (115), Persian (1405) or
    Islamic (1448) years where a reader expects 2026.
    """
    if year in _BUDDHIST_YEARS:
        return year - _BUDDHIST_ERA
    return year if year in _PLAUSIBLE_YEARS else None


@dataclass(frozen=True)
class ViolationReport:
    """One submission, read. What the sender left out is None; a chain sent as empty is ``()``.

    Dates are UTC; the text beside them is what the sender wrote, because some senders' clocks and zones lie. One in a
    calendar that cannot be told is None, and its text is kept.
    """

    hostname: Host
    sender: Sender
    port: int | None = None
    noted_hostname: Host | None = None
    include_subdomains: bool | None = None
    mode: Mode | None = None
    known_pins: tuple[Pin, ...] = ()
    unreadable_pins: tuple[str, ...] = ()
    served_chain: Chain | None = None
    validated_chain: Chain | None = None
    sender_result: SenderResult | None = None
    date_time: datetime | None = None
    date_time_text: str | None = None
    effective_expiration_date: datetime | None = None
    effective_expiration_text: str | None = None
    app: str | None = None
    app_version: str | None = None
    platform: str | None = None
    platform_version: str | None = None
    install_id: str | None = None
    contradictions: tuple[str, ...] = ()
    """What in the form does not fit the sender that it claims to come from, each in a few words."""

    def with_dates(
        self,
        *,
        mode: Mode | None,
        date_time: datetime | None,
        date_time_text: str | None,
        effective_expiration_date: datetime | None,
        effective_expiration_text: str | None,
        contradictions: tuple[str, ...],
    ) -> Self:
        """Return the same report told at another moment: `dataclasses.replace` in a tenth of its time."""
        other = object.__new__(type(self))
        other.__dict__.update(
            self.__dict__,
            mode=mode,
            date_time=date_time,
            date_time_text=date_time_text,
            effective_expiration_date=effective_expiration_date,
            effective_expiration_text=effective_expiration_text,
            contradictions=contradictions,
        )
        return other
