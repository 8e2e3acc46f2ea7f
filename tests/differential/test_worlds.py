"""Random certificate worlds: the judgement compared with the right answers, and the verifier with OpenSSL.

``python -m tests.support.differential`` runs more of them and prints the disagreements.
"""

from collections import Counter
from collections.abc import Sequence

import pytest

from app.hpkp.judgement.causes import OF_RELEASES, Cause
from tests.support.differential.answers import right_answer
from tests.support.differential.comparing import Comparison, compare, verifier_faults
from tests.support.differential.forgeries import FORGERIES, IMPOSSIBLE
from tests.support.differential.generator import make_world
from tests.support.differential.world import Family

WORLDS = range(1, 2401)
"""Numbers of the worlds; another start gives other worlds."""
HONEST_RIGHT = 0.995
USEFUL = 0.98
"""Share of the connections that a report shows in full for which ``locks_out`` must not be unknown."""
SHOWN = 5
"""Worlds in a failure message."""


@pytest.fixture(scope="module")
def comparisons() -> Sequence[Comparison]:
    return [compare(number) for number in WORLDS]


@pytest.fixture(scope="module")
def honest(comparisons: Sequence[Comparison]) -> Sequence[Comparison]:
    return [comparison for comparison in comparisons if not comparison.forged]


def _fail_over(wrong: Sequence[Comparison], *, allowed: float = 0) -> None:
    """Fail with some of the worlds if there are more than allowed."""
    if len(wrong) > allowed:
        pytest.fail("\n\n".join((f"{len(wrong)} worlds", *map(str, wrong[:SHOWN]))), pytrace=False)


def test_the_cause_of_an_honest_report_is_right(honest: Sequence[Comparison]) -> None:
    wrong = [comparison for comparison in honest if not comparison.cause_right]
    _fail_over(wrong, allowed=(1 - HONEST_RIGHT) * len(honest))


def test_a_definite_answer_to_who_is_locked_out_is_never_wrong(honest: Sequence[Comparison]) -> None:
    wrong = [comparison for comparison in honest if comparison.lock_out_wrong]
    _fail_over(wrong)


def test_who_is_locked_out_is_known_if_the_report_shows_it(honest: Sequence[Comparison]) -> None:
    shown = [comparison for comparison in honest if comparison.shows_all]
    silent = [comparison for comparison in shown if comparison.judgement.locks_out is None]
    _fail_over(silent, allowed=(1 - USEFUL) * len(shown))


def test_an_invalid_link_is_never_trusted(comparisons: Sequence[Comparison]) -> None:
    trusted = [comparison for comparison in comparisons if comparison.trusts_a_forgery]
    _fail_over(trusted)


def test_openssl_agrees_on_every_path() -> None:
    """OpenSSL validates no path that the verifier of this test does not know, and each that it knows."""
    faults = [fault for number in WORLDS for fault in verifier_faults(make_world(number)[0])]
    assert not faults, "\n".join(faults[:SHOWN])


def test_the_worlds_are_of_every_kind(comparisons: Sequence[Comparison], honest: Sequence[Comparison]) -> None:
    senders = Counter((c.world.client.family, c.connection.trusted) for c in honest)
    assert set(senders) == {
        *((family, True) for family in Family),
        (Family.TRUSTKIT_APPLE, False),
        (Family.TRUSTKIT_ANDROID, False),
    }
    causes = Counter(cause for c in honest for cause in c.answer.causes)
    # An honest client has a reason to report; its pins are those of a policy, not of a registered release.
    never_right = {Cause.IMPLAUSIBLE, Cause.MATCHES_EXPECTED, Cause.CONTROL} | OF_RELEASES
    assert set(causes) == {cause.value for cause in Cause} - {cause.value for cause in never_right}
    forged = Counter(c.world.forgery.how for c in comparisons if c.world.forgery)
    assert len(forged) == len(FORGERIES) + len(IMPOSSIBLE)
    assert min(*senders.values(), *causes.values(), *forged.values()) >= 15


def test_no_one_answer_is_right_for_most_worlds(honest: Sequence[Comparison]) -> None:
    """The right answers are narrow enough that a judgement can miss them."""
    causes = Counter(cause for c in honest for cause in c.answer.causes)
    assert max(causes.values()) < 0.3 * len(honest)
    assert sum(len(c.answer.causes) for c in honest) < 1.4 * len(honest)
    for answer in (True, False):
        assert sum(answer in c.answer.locks_out for c in honest) < 0.8 * len(honest)


def test_a_number_always_gives_the_same_world() -> None:
    for number in WORLDS[:50]:
        (one, first), (other, second) = make_world(number), make_world(number)
        assert (one.served, one.client, one.policies) == (other.served, other.client, other.policies)
        assert right_answer(one, first) == right_answer(other, second)
