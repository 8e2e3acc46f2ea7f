"""What each cause means for the verdict, written down here a second time: nobody changes a weight by accident."""

import pytest

from app.hpkp.judgement.causes import ALARMING, BEARING, OF_RELEASES, SIDE, Bearing, Cause, Side, bearing_of
from app.hpkp.readiness import Group, OpenViolation
from tests.authority import NOW

BLOCKS, CAUTION, INFO = Bearing.BLOCKS, Bearing.CAUTION, Bearing.INFO
OURS, HOSTILE, BETWEEN, UNKNOWN = Group.OURS, Group.HOSTILE, Group.INTERCEPTION, Group.UNKNOWN

TABLE: list[tuple[Cause, Bearing, Side, tuple[Group | None, Group | None, Group | None]]] = [
    # cause, bearing, side, and the group of its clients: locked out, cannot tell, not locked out
    (Cause.CONTROL, INFO, Side.NOT_A_PIN_MATTER, (UNKNOWN, None, None)),
    (Cause.NO_EVIDENCE, CAUTION, Side.UNKNOWN, (UNKNOWN, UNKNOWN, None)),
    (Cause.IMPLAUSIBLE, INFO, Side.UNKNOWN, (None, None, None)),
    (Cause.MATCHES_EXPECTED, INFO, Side.NOT_A_PIN_MATTER, (UNKNOWN, UNKNOWN, None)),
    (Cause.RELEASE_PINS_EXPIRED, INFO, Side.OURS, (OURS, None, None)),
    (Cause.RELEASE_NEVER_FITTED, CAUTION, Side.OURS, (OURS, OURS, None)),
    (Cause.RELEASE_LEFT_BEHIND, CAUTION, Side.OURS, (OURS, OURS, None)),
    (Cause.STALE_KNOWN_PINS, INFO, Side.OURS, (OURS, None, None)),
    (Cause.FOREIGN_PINS, INFO, Side.UNKNOWN, (UNKNOWN, UNKNOWN, None)),
    (Cause.KNOWN_BAD_KEY, CAUTION, Side.HOSTILE, (HOSTILE, HOSTILE, None)),
    (Cause.OTHER_TRUST_PATH, BLOCKS, Side.OURS, (OURS, OURS, None)),
    (Cause.OWN_KEY_NOT_PINNED, BLOCKS, Side.OURS, (OURS, OURS, None)),
    (Cause.CLOCK, INFO, Side.NOT_A_PIN_MATTER, (UNKNOWN, None, None)),
    (Cause.NAME_MISMATCH, INFO, Side.NOT_A_PIN_MATTER, (UNKNOWN, None, None)),
    (Cause.UNTRUSTED_CHAIN, INFO, Side.NOT_A_PIN_MATTER, (UNKNOWN, None, None)),
    (Cause.INTERCEPTION_PRODUCT, CAUTION, Side.INTERCEPTION, (BETWEEN, UNKNOWN, None)),
    (Cause.PRIVATE_ROOT, CAUTION, Side.INTERCEPTION, (BETWEEN, UNKNOWN, None)),
    (Cause.UNKNOWN_KEY_PUBLIC_CA, BLOCKS, Side.HOSTILE, (HOSTILE, HOSTILE, None)),
]


def test_the_table_has_every_cause_in_the_order_of_the_rules() -> None:
    assert [row[0] for row in TABLE] == list(Cause)
    assert {Cause.UNKNOWN_KEY_PUBLIC_CA, Cause.KNOWN_BAD_KEY} == ALARMING


@pytest.mark.parametrize(("cause", "bearing", "side", "groups"), TABLE, ids=[row[0].value for row in TABLE])
def test_a_cause_weighs_and_counts_as_the_table_says(
    cause: Cause, bearing: Bearing, side: Side, groups: tuple[Group | None, Group | None, Group | None]
) -> None:
    assert (BEARING[cause], SIDE[cause]) == (bearing, side)
    found = tuple(OpenViolation(1, cause, 1, NOW, locks_out=locks_out).group for locks_out in (True, None, False))
    assert found == groups


@pytest.mark.parametrize("cause", list(Cause))
def test_outdated_pins_block_only_where_they_lock_out_now(cause: Cause) -> None:
    outdated = cause in {Cause.STALE_KNOWN_PINS, *OF_RELEASES}
    assert bearing_of(cause, locks_out=True) is (BLOCKS if outdated else BEARING[cause])
    assert {bearing_of(cause, locks_out=locks_out) for locks_out in (False, None)} == {BEARING[cause]}
