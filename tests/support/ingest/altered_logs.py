"""Logs of a real store, left by processes that ended, and what may happen to their files."""

from pathlib import Path

from app.ingest.frames import HEADER_BYTES
from app.ingest.log_directory import LogDirectory, find_logs
from app.metrics import Metrics
from app.outcomes import Outcome
from app.service import open_service
from app.settings import Settings
from tests.support.application import collect


def write_log(settings: Settings, *segments: list[bytes]) -> LogDirectory:
    """Accept bodies into a log that nobody folds, each list into a segment of its own."""
    service = open_service(settings, Metrics())
    before = {log.path for log in find_logs(settings.log_root)}
    try:
        for bodies in segments:
            assert set(collect(service, *bodies, with_fold=False)) == {Outcome.ACCEPTED}
    finally:
        service.engine.dispose()
    [log] = [log for log in find_logs(settings.log_root) if log.path not in before]
    assert len(log.segments()) == len(segments)
    return log


def damage(log: LogDirectory, number: int) -> None:
    """Change a byte of the first frame of a segment, as a disk does that decays."""
    path = log.segment_path(number)
    data = bytearray(path.read_bytes())
    data[HEADER_BYTES + 100] ^= 0xFF
    path.write_bytes(data)


def set_version(log: LogDirectory, version: int) -> None:
    """Let all segments of a log be of another format."""
    for number in log.segments():
        path = log.segment_path(number)
        data = bytearray(path.read_bytes())
        data[8:10] = version.to_bytes(2, "little")
        path.write_bytes(data)


def used_bytes(path: Path) -> int:
    """Return how many bytes of a segment were written."""
    return len(path.read_bytes().rstrip(b"\0"))
