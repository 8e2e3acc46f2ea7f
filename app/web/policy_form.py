"""A policy as it is typed into a form: read field by field, so that each mistake is told where it was made. Pure.

::

    PolicyForm (texts) ──read_policy──> PinningPolicy, or Mistakes: what is wrong, by field
    PinningPolicy, PinningHeader ──write──> PolicyForm
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from app.hpkp.errors import HpkpError, InvalidPin, InvalidPolicy
from app.hpkp.header.value import LONGEST_MAX_AGE, parse_header
from app.hpkp.hosts import Host
from app.hpkp.pins import Pin, parse_pin
from app.hpkp.policy import ExpectedPin, Mode, PinningPolicy

_MOST_PINS = 64
_MOST_KEYS = 256
_LONGEST_LABEL = 200
_LONGEST_URI = 2048

Mistakes = dict[str, str]
"""What is wrong, by the name of the field."""


@dataclass(frozen=True, slots=True)
class PolicyForm:
    """What stands in the fields."""

    pins: str = ""
    """One per line: the pin, a space, and a label."""
    own_keys: str = ""
    max_age: str = ""
    include_subdomains: str = ""
    mode: str = Mode.REPORT_ONLY.value
    report_uri: str = ""
    effective_from: str = ""
    header: str = ""
    """A Public-Key-Pins value to fill the other fields from."""

    @classmethod
    def of(cls, values: Mapping[str, str]) -> "PolicyForm":
        """Take the fields out of what was sent."""
        return cls(**{name: values.get(name, "") for name in cls.__dataclass_fields__})


def write_policy(policy: PinningPolicy) -> PolicyForm:
    """Write a policy into the fields. When it took effect is left out: a change takes effect by itself."""
    return PolicyForm(
        pins="\n".join(f"{expected.pin} {expected.label}".rstrip() for expected in policy.pins),
        own_keys="\n".join(sorted(map(str, policy.own_keys))),
        max_age="" if policy.max_age is None else str(policy.max_age),
        include_subdomains="yes" if policy.include_subdomains else "",
        mode=policy.mode.value,
        report_uri=policy.report_uri or "",
    )


def add_pin(typed: PolicyForm, text: str) -> PolicyForm:
    """Add a pin to the fields; an invalid one, or one that is in them already, changes nothing."""
    try:
        pin = parse_pin(text)
    except InvalidPin:
        return typed
    lines = typed.pins.splitlines()
    if pin in [found for found, _, _ in map(_split, filter(str.strip, lines))]:
        return typed
    return replace(typed, pins="\n".join((*lines, str(pin))))


def fill_from_header(typed: PolicyForm) -> tuple[PolicyForm, Mistakes]:
    """Fill the fields from the value of a header; labels of pins that stay are kept."""
    value = typed.header.strip()
    for name in ("public-key-pins-report-only:", "public-key-pins:"):
        if value.lower().startswith(name):
            typed = replace(typed, mode=Mode.REPORT_ONLY.value if "only" in name else Mode.ENFORCE.value)
            value = value[len(name) :]
            break
    try:
        header = parse_header(value.strip())
    except HpkpError as error:
        return typed, {"header": f"{error}."}
    labels = {pin: label for pin, label, _ in map(_split, typed.pins.splitlines()) if pin}
    return (
        replace(
            typed,
            pins="\n".join(f"{pin} {labels.get(pin, '')}".rstrip() for pin in header.pins),
            max_age="" if header.max_age is None else str(header.max_age),
            include_subdomains="yes" if header.include_subdomains else "",
            report_uri=header.report_uri or "",
            header="",
        ),
        {},
    )


def read_policy(host: Host, typed: PolicyForm) -> PinningPolicy | Mistakes:
    """Read the fields; all that is wrong with them, where anything is."""
    mistakes: Mistakes = {}
    pins = _read_pins(typed.pins, "pins", _MOST_PINS, mistakes)
    own_keys = _read_pins(typed.own_keys, "own_keys", _MOST_KEYS, mistakes)
    max_age = _read_max_age(typed.max_age.strip(), mistakes)
    since = _read_moment(typed.effective_from.strip(), mistakes)
    if not pins:
        mistakes.setdefault("pins", "Enter the pins, one per line.")
    if len(typed.report_uri) > _LONGEST_URI:
        mistakes["report_uri"] = f"A report-uri has at most {_LONGEST_URI} characters."
    if typed.mode not in tuple(Mode):
        mistakes["mode"] = "Choose a mode."
    if mistakes:
        return mistakes
    try:
        return PinningPolicy(
            host=host,
            pins=tuple(pins),
            include_subdomains=bool(typed.include_subdomains),
            max_age=max_age,
            mode=Mode(typed.mode),
            report_uri=typed.report_uri.strip() or None,
            own_keys=frozenset(key.pin for key in own_keys),
            effective_from=since,
        )
    except InvalidPolicy as error:
        return {"pins": f"{error}."}


def _read_pins(text: str, field: str, most: int, mistakes: Mistakes) -> list[ExpectedPin]:
    found: list[ExpectedPin] = []
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    for number, line in lines[:most]:
        pin, label, fault = _split(line)
        if pin is None:
            mistakes.setdefault(field, f"Line {number}: {fault}.")
        else:
            found.append(ExpectedPin(pin, label[:_LONGEST_LABEL]))
    if len(lines) > most:
        mistakes[field] = f"Enter at most {most}."
    return found


def _split(line: str) -> tuple[Pin | None, str, str]:
    """Return the pin of a line and the word behind it, or what is wrong."""
    first, _, label = line.strip().partition(" ")
    try:
        return parse_pin(first.rstrip(";,")), label.strip(), ""
    except InvalidPin as error:
        return None, "", str(error)


def _read_max_age(text: str, mistakes: Mistakes) -> int | None:
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= LONGEST_MAX_AGE:
        return int(text)
    mistakes["max_age"] = f"Enter a number of seconds, at most {LONGEST_MAX_AGE}."
    return None


def _read_moment(text: str, mistakes: Mistakes) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
        return None if moment is None else (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        mistakes["effective_from"] = "Enter a UTC time, for example 2026-11-01T06:00."
        return None
