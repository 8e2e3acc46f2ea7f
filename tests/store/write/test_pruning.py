"""Nothing that is referred to is deleted, and everything else is; in transactions that stay short."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, event, insert

from app.hpkp.hosts import Host
from app.hpkp.overflow import OverflowReason
from app.hpkp.probe_result import Endpoint, Probe, ProbedHost
from app.store import tables
from app.store.engine import DAY_MS, writing
from app.store.probes import add_probe
from app.store.read.probes import find_probe_run, load_probe
from app.store.write.chains import insert_chains
from app.store.write.deletion import ProbedChains, delete_violations
from app.store.write.pruning import prune_overflow, prune_unused
from app.store.write.values import OverflowReport
from tests.support.authority import NOW
from tests.support.reports import HOST, other_site, report_body
from tests.support.store.ingest_harness import AT, submission
from tests.support.store.write.folding import Folder


@pytest.fixture
def folder(engine: Engine) -> Folder:
    return Folder(engine)


def _of_chain(number: int, host: str = HOST) -> bytes:
    chain = other_site(number)
    return report_body(host=host, served=chain.served, validated=chain.validated)


def _prune(folder: Folder, *, since: int | None = None) -> dict[str, int]:
    return {what: count for what, count in prune_unused(folder.engine, hosts_unused_since=since).items() if count}


def _delete(folder: Folder, *ids: int) -> None:
    with writing(folder.engine) as connection:
        delete_violations(connection, ids, ProbedChains())


def test_chains_and_certificates_go_with_the_last_violation_that_refers_to_them(folder: Folder) -> None:
    one, other = _of_chain(1), _of_chain(2)
    shared = report_body(served=other_site(1).served, validated=other_site(2).validated)
    folder.fold(*map(submission, (one, other, shared)))
    ids = {row.identity: row.id for row in folder.rows(tables.violations)}
    before = {table: len(folder.rows(table)) for table in (tables.chains, tables.certificates)}
    _delete(folder, ids[submission(shared).identity])
    assert {table: len(folder.rows(table)) for table in before} == before
    _delete(folder, ids[submission(one).identity])
    assert [len(folder.rows(table)) * 2 for table in before] == list(before.values())
    _delete(folder, ids[submission(other).identity])
    assert (
        folder.rows(tables.chains) == folder.rows(tables.certificates) == folder.rows(tables.chain_certificates) == []
    )


def test_the_chain_of_a_probe_stays(folder: Folder) -> None:
    folder.fold(submission())
    chain = submission().report.served_chain
    assert chain
    live = ProbedHost(Probe(Host(HOST), 443, NOW, (Endpoint("192.0.2.1", (chain,)),)), chains=())
    with writing(folder.engine) as connection:
        add_probe(connection, live)
    _delete(folder, *(row.id for row in folder.rows(tables.violations)))
    assert len(folder.rows(tables.chains)) == 1
    _prune(folder)
    with folder.engine.connect() as connection:
        run = find_probe_run(connection, HOST)
        assert run is not None
        assert load_probe(connection, run).endpoints[0].chains == (chain,)


def test_chains_that_nothing_ever_referred_to_are_found(folder: Folder) -> None:
    folder.fold(submission())
    report = submission(_of_chain(3)).report
    with writing(folder.engine) as connection:
        insert_chains(connection, [chain for chain in (report.served_chain, report.validated_chain) if chain])
        connection.execute(insert(tables.certificates).values(sha256=b"\0" * 32, der=b"in no chain"))
    assert _prune(folder) == {"chains": 2, "certificates": 1}
    assert _prune(folder) == {}
    assert len(folder.rows(tables.chains)) == 2


def test_sources_without_counts_go_and_those_with_counts_stay(folder: Folder) -> None:
    folder.fold(submission(label="a"), submission(_of_chain(1), label="b"))
    gone = submission(_of_chain(1))
    _delete(folder, *(row.id for row in folder.rows(tables.violations) if row.identity == gone.identity))
    assert _prune(folder) == {"sources": 1}
    assert [row.label for row in folder.rows(tables.sources)] == ["a"]


def test_hosts_without_a_policy_go_with_their_violations_once_nothing_is_received(folder: Folder) -> None:
    folder.fold(
        submission(_of_chain(1, "old.example"), at=AT - 40 * DAY_MS),
        submission(_of_chain(1, "new.example")),
        submission(at=AT - 40 * DAY_MS),
    )
    folder.set_policy(HOST)
    assert _prune(folder, since=AT - 40 * DAY_MS) == {}
    removed = _prune(folder, since=AT - 30 * DAY_MS)
    assert (removed["violations"], removed["hosts"]) == (1, 1)
    assert [row.name for row in folder.rows(tables.hosts)] == ["new.example", HOST]
    assert {row.host for row in folder.rows(tables.host_hours)} == {"new.example", HOST}
    assert len(folder.rows(tables.violations)) == 2


def test_a_host_of_which_old_and_new_violations_are_known_stays(folder: Folder) -> None:
    folder.fold(submission(_of_chain(1), at=AT - 40 * DAY_MS), submission(_of_chain(2)))
    assert _prune(folder, since=AT - 30 * DAY_MS)["violations"] == 1
    assert folder.only(tables.hosts).name == HOST


def test_overflow_goes_by_day(folder: Folder) -> None:
    folder.fold(
        overflow=tuple(
            OverflowReport(bytes([days]) * 16, HOST, OverflowReason.HOST_AND_DAY, AT - days * DAY_MS)
            for days in range(5)
        )
    )
    assert prune_overflow(folder.engine, before=AT - AT % DAY_MS - 2 * DAY_MS) == 2
    assert len(folder.rows(tables.overflow_days)) == 3


@pytest.fixture
def commits(engine: Engine) -> Iterator[list[int]]:
    """Count rows that were deleted from chains and hosts in each transaction that was committed."""
    rows: list[int] = [0]

    @event.listens_for(engine, "after_cursor_execute")
    def _count(_c: object, cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith("DELETE"):
            rows[-1] += cursor.rowcount  # type: ignore[attr-defined]

    @event.listens_for(engine, "commit")
    def _committed(_connection: object) -> None:
        rows.append(0)

    yield rows
    event.remove(engine, "after_cursor_execute", _count)
    event.remove(engine, "commit", _committed)


def test_much_is_deleted_in_many_transactions(folder: Folder, commits: list[int]) -> None:
    hosts = [f"h{number}.example" for number in range(90)]
    folder.fold(*(submission(_of_chain(1, host), at=AT - 40 * DAY_MS) for host in hosts))
    commits[:] = [0]
    removed = _prune(folder, since=AT)
    assert (removed["violations"], removed["hosts"]) == (90, 90)
    assert sum(commits) > 90 * 6
    assert max(commits) < 250
    assert folder.rows(tables.hosts) == folder.rows(tables.chains) == []


def test_a_fold_between_two_pieces_keeps_what_it_refers_to(folder: Folder) -> None:
    """The prune has found everything unused; before its transactions a fold reports one host again."""
    hosts = [f"h{number}.example" for number in range(60)]
    folder.fold(*(submission(_of_chain(1, host), at=AT - 40 * DAY_MS) for host in hosts))
    last = max(folder.rows(tables.violations), key=lambda row: row.id).host
    folded: list[int] = []

    def fold_once(what: str, count: int) -> None:
        if not folded:
            folded.append(folder.fold(submission(_of_chain(1, last), client="two")).accepted)

    prune_unused(folder.engine, hosts_unused_since=AT - 30 * DAY_MS, progress=fold_once)
    assert folded == [1]
    assert folder.only(tables.hosts).name == last
    assert folder.only(tables.violations).reports == 2
    assert len(folder.rows(tables.chains)) == 2
