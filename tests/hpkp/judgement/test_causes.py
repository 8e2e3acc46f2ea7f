"""What each cause means for the verdict, written down here a second time: nobody changes a weight by accident."""

import pytest

from app.hpkp.judgement.causes import (
    ATTRIBUTIONS,
    IMPACTS,
    OF_RELEASES,
    POSSIBLE_ATTACKS,
    Attribution,
    Cause,
    Impact,
    impact_of,
)
from app.hpkp.readiness import LockoutGroup, OpenViolation
from tests.support.authority import NOW

BLOCKS, CAUTION, INFO = Impact.BLOCKER, Impact.WARNING, Impact.INFO
OURS, HOSTILE, BETWEEN, UNKNOWN = (
    LockoutGroup.OPERATOR,
    LockoutGroup.POSSIBLE_ATTACK,
    LockoutGroup.INTERCEPTION,
    LockoutGroup.UNKNOWN,
)

TABLE: list[tuple[Cause, Impact, Attribution, tuple[LockoutGroup | None, LockoutGroup | None, LockoutGroup | None]]] = [
    # cause, impact, side, and the group of its clients: locked out, cannot tell, not locked out
    (Cause.CONTROL, INFO, Attribution.UNRELATED, (UNKNOWN, None, None)),
    (Cause.NO_EVIDENCE, CAUTION, Attribution.UNKNOWN, (UNKNOWN, UNKNOWN, None)),
    (Cause.IMPLAUSIBLE, INFO, Attribution.UNKNOWN, (None, None, None)),
    (Cause.MATCHES_EXPECTED, INFO, Attribution.UNRELATED, (UNKNOWN, UNKNOWN, None)),
    (Cause.RELEASE_PINS_EXPIRED, INFO, Attribution.OPERATOR, (OURS, None, None)),
    (Cause.RELEASE_NEVER_FITTED, CAUTION, Attribution.OPERATOR, (OURS, OURS, None)),
    (Cause.RELEASE_LEFT_BEHIND, CAUTION, Attribution.OPERATOR, (OURS, OURS, None)),
    (Cause.STALE_KNOWN_PINS, INFO, Attribution.OPERATOR, (OURS, None, None)),
    (Cause.FOREIGN_PINS, INFO, Attribution.UNKNOWN, (UNKNOWN, UNKNOWN, None)),
    (Cause.KNOWN_BAD_KEY, CAUTION, Attribution.POSSIBLE_ATTACK, (HOSTILE, HOSTILE, None)),
    (Cause.OTHER_TRUST_PATH, BLOCKS, Attribution.OPERATOR, (OURS, OURS, None)),
    (Cause.OWN_KEY_NOT_PINNED, BLOCKS, Attribution.OPERATOR, (OURS, OURS, None)),
    (Cause.CLOCK, INFO, Attribution.UNRELATED, (UNKNOWN, None, None)),
    (Cause.NAME_MISMATCH, INFO, Attribution.UNRELATED, (UNKNOWN, None, None)),
    (Cause.UNTRUSTED_CHAIN, INFO, Attribution.UNRELATED, (UNKNOWN, None, None)),
    (Cause.INTERCEPTION_PRODUCT, CAUTION, Attribution.INTERCEPTION, (BETWEEN, UNKNOWN, None)),
    (Cause.PRIVATE_ROOT, CAUTION, Attribution.INTERCEPTION, (BETWEEN, UNKNOWN, None)),
    (Cause.UNKNOWN_KEY_PUBLIC_CA, BLOCKS, Attribution.POSSIBLE_ATTACK, (HOSTILE, HOSTILE, None)),
]


def test_the_table_has_every_cause_in_the_order_of_the_rules() -> None:
    assert [row[0] for row in TABLE] == list(Cause)
    assert {Cause.UNKNOWN_KEY_PUBLIC_CA, Cause.KNOWN_BAD_KEY} == POSSIBLE_ATTACKS


@pytest.mark.parametrize(("cause", "impact", "side", "groups"), TABLE, ids=[row[0].value for row in TABLE])
def test_a_cause_weighs_and_counts_as_the_table_says(
    cause: Cause,
    impact: Impact,
    side: Attribution,
    groups: tuple[LockoutGroup | None, LockoutGroup | None, LockoutGroup | None],
) -> None:
    assert (IMPACTS[cause], ATTRIBUTIONS[cause]) == (impact, side)
    found = tuple(OpenViolation(1, cause, 1, NOW, locks_out=locks_out).group for locks_out in (True, None, False))
    assert found == groups


@pytest.mark.parametrize("cause", list(Cause))
def test_outdated_pins_block_only_where_they_lock_out_now(cause: Cause) -> None:
    outdated = cause in {Cause.STALE_KNOWN_PINS, *OF_RELEASES}
    assert impact_of(cause, locks_out=True) is (BLOCKS if outdated else IMPACTS[cause])
    assert {impact_of(cause, locks_out=locks_out) for locks_out in (False, None)} == {IMPACTS[cause]}
