"""A store of the version before the ingest log is upgraded with everything in it, and folded into."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, update

from app.hpkp.x509.certificate import read_certificate
from app.store import migrations, tables
from app.store.body_packing import Packing
from app.store.engine import upgrade, writing
from app.store.read.report_bodies import load_report_body
from tests.support.reports import other_site, report_body, site
from tests.support.store.ingest_harness import IngestHarness, submission
from tests.support.store.write.folding import Folder

_BEFORE = "0008"


def _downgrade(url: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__path__[0])))
    config.attributes["url"] = url
    command.downgrade(config, _BEFORE)


def _with_garbage() -> bytes:
    return report_body(served=["no certificate", *other_site(1).served], validated=other_site(1).validated)


def test_what_an_earlier_version_stored_is_there_after_the_upgrade_and_is_counted_on(engine: Engine, url: str) -> None:
    bodies = [report_body(), _with_garbage(), report_body(served=[], validated=[])]
    IngestHarness.at(engine).take_each(map(submission, bodies))
    folder = Folder(engine)
    known = [submission(bodies[0]).identity, submission(bodies[1]).identity]
    judged = {row.identity: row.judgement["judged_chain"] for row in folder.rows(tables.violations)}
    with writing(engine) as connection:  # as judgements with public roots had it
        for identity, anchor in zip(known, ("public", "private"), strict=True):
            judgement = {"anchor": anchor, "path_checkable": True, "judged_chain": judged[identity]}
            violation = tables.violations.c.identity == identity
            connection.execute(update(tables.violations).where(violation).values(judgement=judgement))
        for row, body in zip(folder.rows(tables.reports), bodies, strict=True):  # which were not packed then
            plain = {"body": body, "body_packing": Packing.PLAIN}
            connection.execute(update(tables.reports).where(tables.reports.c.id == row.id).values(plain))
    contained = folder.rows(tables.chain_certificates)
    violations = {row.identity: row for row in folder.rows(tables.violations)}
    _downgrade(url)
    engine.dispose()
    upgrade(url)
    assert folder.rows(tables.chain_certificates) == contained
    assert len(contained) > 4
    for row in folder.rows(tables.violations):
        leaf = read_certificate(site().leaf.der).fingerprint if row.identity == known[0] else None
        assert row._asdict() == violations[row.identity]._asdict() | {"checked_leaf": leaf}
    with engine.connect() as connection:
        assert [load_report_body(connection, row.id) for row in folder.rows(tables.reports)] == bodies
    assert folder.fold(*(submission(body, client="two") for body in bodies)).accepted == 3
    assert [row.reports for row in folder.rows(tables.violations)] == [2, 2, 2]


def test_packed_bodies_are_dropped_by_a_downgrade_and_counts_stay(engine: Engine, url: str) -> None:
    folder = Folder(engine)
    folder.fold(submission())
    _downgrade(url)
    engine.dispose()
    upgrade(url)
    assert folder.only(tables.reports).body is None
    assert folder.only(tables.violations).reports == 1
    assert folder.rows(tables.log_marks) == []
