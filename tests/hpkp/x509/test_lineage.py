"""Which generation is what, by names, numbers and pins alone."""

import pytest

from app.hpkp.findings import Severity
from app.hpkp.pins import Pin
from app.hpkp.x509.lineage import Generation, GenerationPins, Part, State, arrange, judge_keys, read_name

A, B, C = (Pin(bytes((number,)) * 32) for number in (1, 2, 3))
RENEWED = [f"{part}{number}.pem" for number in (1, 2, 3) for part in ("cert", "chain", "fullchain", "privkey")]


def _states(*names: str, current: int | None = None) -> dict[int, str]:
    return {generation.number or 0: str(generation.state) for generation in arrange(names, current=current)}


def test_generations_before_the_current_one_are_previous_and_those_after_it_next() -> None:
    assert _states(*RENEWED, current=2) == {1: "previous", 2: "current", 3: "next"}
    assert _states(*RENEWED, current=3) == {1: "previous", 2: "previous", 3: "current"}


def test_without_a_live_link_the_highest_certificate_is_current_and_a_key_above_it_next() -> None:
    assert _states(*RENEWED) == {1: "previous", 2: "previous", 3: "current"}
    assert _states(*RENEWED, "privkey4.pem", "csr5.pem") == {
        1: "previous",
        2: "previous",
        3: "current",
        4: "next",
        5: "next",
    }
    assert _states("fullchain1.pem", "privkey2.pem") == {1: "current", 2: "next"}


def test_where_no_certificate_is_there_the_highest_key_is_current() -> None:
    assert _states("privkey1.pem", "privkey2.pem") == {1: "previous", 2: "current"}


def test_numbers_are_ordered_as_numbers() -> None:
    assert list(_states("cert10.pem", "cert9.pem", "cert100.pem")) == [9, 10, 100]


def test_a_generation_holds_its_files_by_part() -> None:
    [generation] = arrange(["cert7.pem", "privkey7.pem", "README"], current=None)
    assert generation == Generation(7, State.CURRENT, {Part.CERTIFICATE: "cert7.pem", Part.KEY: "privkey7.pem"})


@pytest.mark.parametrize(
    "name", ["cert.pem", "cert1.pem.bak", "mycert1.pem", "cert1.key", "cert-1.pem", "README", "", "cert٣.pem"]
)
def test_other_files_are_of_no_generation(name: str) -> None:
    assert read_name(name) is None
    assert arrange([name], current=None) == ()


def _pins(number: int, state: State = State.PREVIOUS, /, **pins: Pin) -> GenerationPins:
    files = {part: f"{part}{number}.pem" for part in Part}
    return GenerationPins(Generation(number, state, files), **pins)


def test_a_key_is_reused_where_the_pin_is_that_of_the_generation_before() -> None:
    lineage = [
        _pins(1, certificate=A, key=A),
        _pins(2, certificate=A, key=A),
        _pins(4, certificate=B, key=B),
        _pins(5, State.CURRENT, certificate=A),
    ]
    assert [judgement.key_reused for judgement in judge_keys(lineage)] == [None, True, False, False]


def test_a_generation_of_which_no_pin_is_known_says_nothing_of_reuse() -> None:
    lineage = [_pins(1), _pins(2, certificate=A), _pins(3)]
    assert [judgement.key_reused for judgement in judge_keys(lineage)] == [None, None, None]


def test_a_current_key_that_is_new_is_warned_of_with_the_generation_before() -> None:
    [_, judgement] = judge_keys([_pins(3, certificate=A), _pins(5, State.CURRENT, certificate=B)])
    [finding] = judgement.findings
    assert (finding.code, finding.severity) == ("new_key_at_renewal", Severity.WARNING)
    assert "generation 3" in finding.message


def test_a_new_key_is_no_news_in_a_generation_of_the_past_or_made_ahead() -> None:
    lineage = [_pins(1, certificate=A), _pins(2, certificate=B), _pins(3, State.NEXT, key=C)]
    assert [judgement.findings for judgement in judge_keys(lineage)] == [(), (), ()]


@pytest.mark.parametrize(
    ("pins", "named"),
    [
        ({"certificate": A, "key": B}, "cert3.pem and privkey3.pem DO NOT BELONG TOGETHER"),
        ({"certificate": A, "full_chain": B, "key": B}, "cert3.pem and fullchain3.pem, privkey3.pem DO NOT"),
        ({"full_chain": A, "key": B}, "fullchain3.pem and privkey3.pem DO NOT"),
        ({"key": A, "request": B}, "privkey3.pem and csr3.pem DO NOT"),
    ],
)
def test_files_of_different_keys_in_one_generation_are_an_error(pins: dict[str, Pin], named: str) -> None:
    [judgement] = judge_keys([_pins(3, **pins)])
    [finding] = judgement.findings
    assert judgement.belong_together is False
    assert (finding.code, finding.severity) == ("key_of_another_certificate", Severity.BLOCKER)
    assert finding.message.startswith(named)


def test_files_of_one_key_belong_together_and_of_one_file_nothing_is_said() -> None:
    both = _pins(1, certificate=A, full_chain=A, key=A, request=A)
    assert [j.belong_together for j in judge_keys([both, _pins(2, key=A)])] == [True, None]
