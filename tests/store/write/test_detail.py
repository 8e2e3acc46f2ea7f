"""What a fold keeps besides counts, each up to its limit: bodies, overflow, sources, samples, canaries, digests."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from app.hpkp.overflow import OverflowDay, OverflowReason
from app.outcomes import Outcome
from app.store import tables
from app.store.body_packing import PackedBody, Packing, pack_body, unpack_body
from app.store.canaries import add_canary
from app.store.engine import DAY_MS, HOUR_MS, from_ms, writing
from app.store.read.overflow import list_overflow
from app.store.read.report_bodies import load_report_body
from app.store.submissions import RejectedSubmission
from app.store.write.deduplication import KEPT, delete_expired
from app.store.write.values import CanaryArrival, FoldLimits, OverflowReport
from tests.support.authority import NOW
from tests.support.reports import HOST, distinct_bodies, other_site, report_body, site
from tests.support.store.ingest_harness import AT, submission
from tests.support.store.write.folding import Folder

_MIDNIGHT = AT - AT % DAY_MS


@pytest.fixture
def folder(engine: Engine) -> Folder:
    return Folder(engine)


def _body_of(folder: Folder, report_id: int) -> bytes | None:
    with folder.engine.connect() as connection:
        return load_report_body(connection, report_id)


def test_bodies_of_the_first_few_are_kept_and_come_back_byte_for_byte(engine: Engine) -> None:
    folder = Folder(engine, FoldLimits(raw_bodies=2))
    bodies = distinct_bodies(4)
    folder.fold(*map(submission, bodies[:1]))
    folder.fold(*map(submission, bodies[1:]))
    assert [_body_of(folder, row.id) for row in folder.rows(tables.reports)] == [*bodies[:2], None, None]
    assert folder.only(tables.violations).raw_bodies == 2


@pytest.mark.parametrize(
    "body",
    [
        report_body(),
        report_body(served=(), validated=()),
        report_body(served=["nonsense", site().served[0]], known_pins=["nonsense"]),
        report_body(served=[text.replace("\n", "\r\n") for text in site().served]),
        report_body(remark="\N{SNOWMAN} \0").replace(b'":', b'" :\t\n '),
        report_body(known_pins=[site().root.pin, site().leaf.pin, site().root.pin]),
    ],
    ids=["usual", "no chains", "unreadable", "other line ends", "odd characters", "pins twice"],
)
def test_a_body_of_any_form_comes_back_byte_for_byte(folder: Folder, body: bytes) -> None:
    folder.fold(submission(body))
    assert _body_of(folder, folder.only(tables.reports).id) == body


def test_the_body_of_another_report_of_the_violation_comes_back_too(folder: Folder) -> None:
    pins = [site().root.pin, site().leaf.pin]
    bodies = [report_body(known_pins=order, port=1) for order in (pins, pins[::-1])]
    folder.fold(*map(submission, bodies))
    assert folder.only(tables.violations).reports == 2
    assert [_body_of(folder, row.id) for row in folder.rows(tables.reports)] == bodies


def test_chains_that_are_stored_anyway_take_no_space_in_a_body() -> None:
    sent = submission()
    packed = pack_body(bytes(sent.body), sent.report)
    assert len(bytes(sent.body)) > 3000
    assert len(packed.data) < 300


def test_a_body_of_another_violation_is_refused_and_not_misread() -> None:
    sent, chain = submission(), other_site(5)
    packed = pack_body(bytes(sent.body), sent.report)
    other = submission(report_body(served=chain.served, validated=chain.validated)).report
    with pytest.raises(ValueError, match="cannot be unpacked"):
        unpack_body(packed, other.known_pins, (other.served_chain, other.validated_chain))
    with pytest.raises(ValueError, match="cannot be unpacked"):
        unpack_body(PackedBody(Packing.CHAINS, b"{}"), (), ())


def test_a_body_from_before_packing_comes_back_as_it_is(folder: Folder) -> None:
    folder.fold(submission())
    with writing(folder.engine) as connection:
        connection.execute(tables.reports.update().values(body=b'{"plain": 1}', body_packing=0))
    assert _body_of(folder, folder.only(tables.reports).id) == b'{"plain": 1}'


def _overflow(number: int, host: str = HOST, *, at: int = AT, network: int = 0) -> OverflowReport:
    return OverflowReport(number.to_bytes(16, "big"), host, OverflowReason.HOST_AND_DAY, at, network.to_bytes(8, "big"))


def _listed(folder: Folder, host: str | None = None) -> tuple[OverflowDay, ...]:
    with folder.engine.connect() as connection:
        return list_overflow(connection, host, since=NOW - timedelta(days=9), until=NOW + timedelta(days=9))


def test_overflow_is_counted_by_host_day_and_reason_with_its_networks(folder: Folder) -> None:
    folder.fold(submission())
    folder.fold(overflow=tuple(_overflow(number, network=number % 3) for number in range(10)))
    folder.fold(
        overflow=(
            _overflow(10, network=2),
            _overflow(11, network=9, at=AT + HOUR_MS),
            _overflow(12, at=AT + DAY_MS),
            _overflow(13)._replace(reason=OverflowReason.NETWORK_AND_DAY),
        )
    )
    today, tomorrow = from_ms(_MIDNIGHT), from_ms(_MIDNIGHT + DAY_MS)
    assert _listed(folder, HOST) == (
        OverflowDay(HOST, today, OverflowReason.HOST_AND_DAY, 12, 4, from_ms(AT + HOUR_MS)),
        OverflowDay(HOST, today, OverflowReason.NETWORK_AND_DAY, 1, 1, from_ms(AT)),
        OverflowDay(HOST, tomorrow, OverflowReason.HOST_AND_DAY, 1, 1, from_ms(AT + DAY_MS)),
    )
    assert folder.only(tables.violations).reports == 1


def test_overflow_of_hosts_that_are_not_in_the_store_takes_one_row_however_many_there_are(folder: Folder) -> None:
    folder.fold(overflow=tuple(_overflow(number, f"h{number}.example", network=number) for number in range(700)))
    (found,) = _listed(folder)
    assert (found.host, found.reports) == ("", 700)
    assert found.networks == pytest.approx(700, rel=0.06)
    assert len(folder.only(tables.overflow_days).network_sketch) < 1200
    assert _listed(folder, "h1.example") == ()


def test_sources_beyond_the_limit_share_the_empty_one(engine: Engine) -> None:
    folder = Folder(engine, FoldLimits(sources=2))
    for label in "abcd":
        folder.fold(submission(label=label))
    folder.fold(submission(label="a", client="two"))
    assert [source.label for source in folder.rows(tables.sources)] == ["a", "b", ""]
    assert [row.reports for row in folder.rows(tables.rollup_hours)] == [2, 1, 2]


def test_a_source_with_characters_that_no_text_may_hold_is_found_again(folder: Folder) -> None:
    for client in ("one", "two"):
        folder.fold(submission(label="\0", client=client)._replace(label="a\0\ud800"))
    assert folder.only(tables.sources).label == "a" + "\N{REPLACEMENT CHARACTER}" * 2
    assert folder.only(tables.rollup_hours).reports == 2


def _rejected(*numbers: int) -> tuple[RejectedSubmission, ...]:
    return tuple(RejectedSubmission(AT, Outcome.UNREADABLE, str(number), length=0) for number in numbers)


@pytest.mark.parametrize(("limit", "kept"), [(3, ["7", "8", "9"]), (0, [])])
def test_the_newest_rejections_are_kept(engine: Engine, limit: int, kept: list[str]) -> None:
    folder = Folder(engine, FoldLimits(rejections=limit))
    for numbers in ((1,), (2, 3), (4, 5, 6, 7, 8), (9,)):
        folder.fold(rejections=_rejected(*numbers))
    assert [row.reason for row in folder.rows(tables.rejections)] == kept


def test_a_canary_arrives_once_and_only_if_it_was_sent(folder: Folder) -> None:
    nonce = b"n" * 16
    folder.fold(submission())
    with writing(folder.engine) as connection:
        add_canary(connection, HOST, nonce, report_uri="https://report.example/", at=NOW)
    arrival = CanaryArrival(HOST, nonce, AT + 5)
    first = folder.fold(canaries=(arrival, CanaryArrival(HOST, b"never sent......", AT)))
    again = folder.fold(canaries=(arrival, CanaryArrival("other.example", nonce, AT)))
    assert (first.canaries_arrived, first.canaries_refused) == (1, 1)
    assert (again.canaries_arrived, again.canaries_refused) == (0, 2)
    assert folder.only(tables.canaries).received_at == AT + 5


def test_expired_digests_are_deleted_in_small_pieces(folder: Folder) -> None:
    folder.fold(*(submission(client=str(number)) for number in range(30)))
    with writing(folder.engine) as connection:
        assert [delete_expired(connection, before=AT + 1, limit=12) for _ in range(4)] == [12, 12, 6, 0]


def test_a_fold_deletes_digests_by_the_receipts_that_it_counts(folder: Folder) -> None:
    folder.fold(submission(client="one"))
    folder.fold(submission(client="two", at=AT + KEPT))
    assert len(folder.rows(tables.seen_submissions)) == 2
    folder.fold(submission(client="three", at=AT + KEPT + 1))
    assert len(folder.rows(tables.seen_submissions)) == 2


def test_the_newest_receipt_of_a_mark_never_goes_back(folder: Folder) -> None:
    folder.fold(submission(client="one", at=AT + 10))
    folder.fold(submission(client="two", at=AT))
    assert folder.only(tables.log_marks).newest_received_at == AT + 10
