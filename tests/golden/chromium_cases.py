"""Golden reports of Chromium."""

from collections.abc import Iterator
from dataclasses import replace

from app.hpkp.report import Sender
from app.samples import Members
from tests.authority import certificate_with_serial_zero, make_root, new_key
from tests.golden.cases import Case, Story, case, directives, make_story


def chromium_cases() -> Iterator[Case]:
    """Make the cases of Chromium."""
    story = make_story()
    yield _chromium("report-only", story)
    yield _chromium(
        "report-only-a-millisecond-before", story,
        wire={"date-time": "2026-06-01T12:00:00.001Z", "effective-expiration-date": "2026-06-01T12:00:00.000Z"},
        means={"date_time": "2026-06-01T12:00:00.001000+00:00", "date_time_text": "2026-06-01T12:00:00.001Z"},
    )  # fmt: skip
    yield _chromium(
        "enforce", story,
        wire={
            "effective-expiration-date": "2026-07-11T08:30:00.250Z", "include-subdomains": True,
            "hostname": "shop.example.com", "noted-hostname": "example.com",
        },
        means={
            "mode": "enforce", "include_subdomains": True,
            "hostname": "shop.example.com", "noted_hostname": "example.com",
            "effective_expiration_date": "2026-07-11T08:30:00.250000+00:00",
            "effective_expiration_text": "2026-07-11T08:30:00.250Z",
        },
    )  # fmt: skip
    yield _chromium(
        "enforce-preloaded-pins", story,
        wire={"effective-expiration-date": "1601-01-01T00:00:00.000Z"},
        means={
            "mode": "enforce", "effective_expiration_date": "1601-01-01T00:00:00+00:00",
            "effective_expiration_text": "1601-01-01T00:00:00.000Z",
        },
    )  # fmt: skip
    yield _chromium("empty-chains", replace(story, served=[], validated=[]))
    yield _chromium("other-port", story, wire={"port": 8443}, means={"port": 8443})
    serial_zero = certificate_with_serial_zero()
    yield _chromium("root-of-serial-zero", replace(story, validated=[*story.served, serial_zero]))
    twice = story.pins[:1]
    yield _chromium("pin-sent-twice", story, wire={"known-pins": directives(twice * 2)}, means={"known_pins": twice})
    old_root, new_root, key = make_root("Old Root"), make_root("New Root"), new_key()
    by_old, by_new = (root.issue("Test Intermediate", ca=True, key=key) for root in (old_root, new_root))
    leaf = by_old.issue()
    yield _chromium(
        "pin-in-served-but-not-in-validated-chain",
        Story(
            [leaf.der, by_old.der, old_root.der],
            [leaf.der, by_new.der, new_root.der],
            [old_root.pin, make_root("Backup").pin],
        ),
    )


def _chromium(name: str, story: Story, *, wire: Members | None = None, means: Members | None = None) -> Case:
    moment = "2026-06-01T12:00:00.000Z"
    expected = story.told() | {
        "mode": "report-only",
        "date_time_text": moment,
        "effective_expiration_date": "2026-06-01T12:00:00+00:00",
        "effective_expiration_text": moment,
    }
    return case(Sender.CHROMIUM, name, story.incident(), expected | (means or {}), wire=wire)
