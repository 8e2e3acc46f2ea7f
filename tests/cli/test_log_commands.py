"""``hpkp log``: what is refused is told, and a damaged log continues with what can be read."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.ingest.frames import HEADER_BYTES
from app.settings import Settings
from tests.support.application import settings_for
from tests.support.faults.stored_counts import read_counts
from tests.support.ingest.altered_logs import damage, set_version, used_bytes, write_log
from tests.support.reports import distinct_bodies

runner = CliRunner()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("HPKP_DATABASE_URL", f"sqlite:///{tmp_path}/hpkp.sqlite3")
    return settings_for(tmp_path)


def _json(*arguments: str, code: int = 0) -> Any:
    result = runner.invoke(app, [*arguments, "--json"])
    assert result.exit_code == code, (result.output, result.exception)
    return json.loads(result.stdout) if result.stdout else result.stderr


def _events(settings: Settings) -> list[str]:
    from app.metrics import Metrics
    from app.service import open_service

    service = open_service(settings, Metrics())
    try:
        return [event.text for event in service.records.list_events(host=None, kind="log_skipped", limit=9)]
    finally:
        service.engine.dispose()


def test_a_damaged_log_continues_with_the_next_readable_segment(settings: Settings) -> None:
    bodies = distinct_bodies(45)
    log = write_log(settings, bodies[:10], bodies[10:17], bodies[17:30], bodies[30:])
    damage(log, 2)
    lost = used_bytes(log.segment_path(2)) - HEADER_BYTES

    [told] = _json("log", "list", code=1)
    assert (told["name"], told["counted_entries"], told["waiting_entries"]) == (log.path.name, 10, 35)
    assert "2.segment" in told["refused"]
    assert f"hpkp log skip {log.path.name}" in told["refused"]

    skipped = _json("log", "skip", log.path.name)
    assert (skipped["bytes_left_out"], skipped["entries_left_out"], skipped["continues_with"]) == (lost, 7, 3)
    assert [path.name for path in Path(skipped["kept_in"]).iterdir()] == ["0000000000000002.segment"]
    assert _json("log", "list") == [], "the rest is counted, and the log removed"
    assert read_counts(settings.database_url).are_all(45 - 7)
    [event] = _events(settings)
    assert f"{lost} bytes with 7 entries were left out" in event


def test_a_segment_that_is_missing_is_left_out_too(settings: Settings) -> None:
    bodies = distinct_bodies(30)
    log = write_log(settings, bodies[:10], bodies[10:20], bodies[20:])
    log.segment_path(2).unlink()
    skipped = _json("log", "skip", log.path.name)
    assert (skipped["bytes_left_out"], skipped["entries_left_out"], skipped["continues_with"]) == (0, 10, 3)
    assert _json("log", "list") == []
    assert read_counts(settings.database_url).are_all(20)


def test_damage_with_a_bad_header_behind_it_takes_two_segments(settings: Settings) -> None:
    bodies = distinct_bodies(40)
    log = write_log(settings, bodies[:10], bodies[10:20], bodies[20:30], bodies[30:])
    damage(log, 2)
    header = bytearray(log.segment_path(3).read_bytes())
    header[40] ^= 1
    log.segment_path(3).write_bytes(header)
    skipped = _json("log", "skip", log.path.name)
    assert (skipped["segments"], skipped["entries_left_out"], skipped["continues_with"]) == ([2, 3], 20, 4)
    assert _json("log", "list") == []
    assert read_counts(settings.database_url).are_all(20)


def test_a_log_that_is_damaged_in_its_last_segment_ends_there(settings: Settings) -> None:
    bodies = distinct_bodies(30)
    log = write_log(settings, bodies[:10], bodies[10:])
    damage(log, 2)
    skipped = _json("log", "skip", log.path.name)
    assert (skipped["entries_left_out"], skipped["continues_with"]) == (20, None)
    assert _json("log", "list") == []
    assert read_counts(settings.database_url).are_all(10)
    assert not log.path.exists()
    assert (Path(skipped["kept_in"]) / "0000000000000002.segment").is_file()
    assert len(_events(settings)) == 1


def test_a_log_of_another_version_is_told_and_not_skipped(settings: Settings) -> None:
    log = write_log(settings, distinct_bodies(10))
    set_version(log, 9)
    [told] = _json("log", "list", code=1)
    assert "it has format 9, this program reads format 1" in told["refused"]
    assert "format 9" in _json("log", "skip", log.path.name, code=2)
    assert read_counts(settings.database_url).rows == 0
    set_version(log, 1)
    assert _json("log", "list") == []
    assert read_counts(settings.database_url).are_all(10)


def test_a_log_that_is_not_there_is_an_error(settings: Settings) -> None:
    write_log(settings, distinct_bodies(1))
    assert "there is no ingest log abc" in _json("log", "skip", "abc", code=2)
