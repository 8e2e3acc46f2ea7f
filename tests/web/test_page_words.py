"""How values read, and that what cannot be seen is written out."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.formatting import ago, common_name, count, cut, duration, unit, visible
from app.web.rendering import moment, prose

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Käse 日本 🔑", "Käse 日本 🔑"),
        ("a\nb\tc", "a\nb\tc"), ("a\u202eb", "a\\u202eb"), ("a\x00\x1b", "a\\u0000\\u001b"),
        ("\u2066x\u2069", "\\u2066x\\u2069"), ("\ufeff", "\\ufeff"), ("\u2028", "\\u2028"), ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"), ("a\u00a0b", "a\u00a0b"),
    ],
)  # fmt: skip
def test_what_cannot_be_seen_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_what_is_shown_has_nothing_hidden_in_it(text: str) -> None:
    shown = visible(text)
    assert visible(shown) == shown
    assert "\u202e" not in shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(0), "0 seconds"), (timedelta(seconds=1), "1 second"), (300, "5 minutes"), (3600, "1 hour"),
        (5_184_000, "60 days"), (timedelta(hours=47), "1 day"), (10**30, "115,740 days"),
    ],
)  # fmt: skip
def test_a_duration_is_told_in_the_largest_unit(value: timedelta | float, text: str) -> None:
    assert duration(value) == text


def test_a_rate_is_per_day_not_per_1_day() -> None:
    assert [unit(timedelta(hours=hours)) for hours in (1, 6, 24, 240)] == ["hour", "6 hours", "day", "10 days"]


def test_the_distance_of_a_moment_is_told() -> None:
    assert ago(NOON - timedelta(seconds=59), NOON) == "just now"
    assert ago(NOON - timedelta(hours=5), NOON) == "5 hours ago"
    assert ago(NOON + timedelta(days=5), NOON) == "in 5 days"


def test_numbers_texts_and_moments() -> None:
    assert count(1234567) == "1,234,567"
    assert (cut("abcdef", 4), cut("abcd", 4)) == ("abc…", "abcd")
    assert (
        moment(NOON)
        == moment("2026-06-01T14:00:00+02:00")
        == '<time datetime="2026-06-01T12:00:00Z">2026-06-01 12:00 UTC</time>'
    )


def test_commands_in_a_sentence_are_set_apart_and_nothing_else_is_markup() -> None:
    assert prose("Run `hpkp pin <FILE>` & look.") == "Run <code>hpkp pin &lt;FILE&gt;</code> &amp; look."


def test_commands_about_violations_are_links_and_still_escaped() -> None:
    one, two = (f'<a href="/violations/{id_}">violation {id_}</a>' for id_ in (7, 12))
    assert prose("See hpkp explain 7 & <b>.") == f"See {one} &amp; &lt;b&gt;."
    assert prose("Then `hpkp violation status 7 12 --set resolved`.") == f"Then set {one}, {two} to resolved."
    assert (
        prose("Then hpkp mark 7 --as resolved; `hpkp probe x`")
        == f"Then set {one} to resolved; <code>hpkp probe x</code>"
    )
    assert prose("Then run `hpkp violation status 7 --set resolved`.") == f"Then set {one} to resolved."
    assert prose("Decide, run `hpkp explain 7`, ask.") == f"Decide, see {one}, ask."
    assert prose("Run `hpkp explain 7`.") == f"See {one}."
    assert prose("Run `hpkp probe x`.") == "Run <code>hpkp probe x</code>."
    assert prose("hpkp explain <b>") == "hpkp explain &lt;b&gt;"


def test_the_common_name_of_an_issuer_is_shown_alone() -> None:
    assert common_name("O=Sample\\, Inc,CN=Proxy \\+ more") == "Proxy + more"
    assert common_name("CN=A,OU=x,O=B") == "A"
    assert common_name("O=Only,C=DE") == "Only"
    assert common_name("C=DE") == "C=DE"
    assert common_name("") == ""
