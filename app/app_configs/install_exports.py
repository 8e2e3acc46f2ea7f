"""Installs by release out of what stores export, and a plain table. Recognized by the columns, whatever their case.

::

    Google Play   stats/installs/installs_PACKAGE_YYYYMM_app_version.csv, UTF-16, by code: Active Device Installs
    App Store     App Sessions Standard of the Analytics Reports API, tabs, also gzip: Unique Devices, a lower bound
    plain         date, app, app_version, clients
"""

import csv
import gzip
import io
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import date

from app.app_configs.limits import MAX_BYTES
from app.hpkp.app_pins.release import InstallCount, Platform
from app.hpkp.errors import InvalidAppConfig
from app.hpkp.x509.pem import decode_text

LONGEST_EXPORT = 50 * MAX_BYTES
"""Bytes of an export, unpacked."""
_GZIP = b"\x1f\x8b"
_MOST = 10**12
_LONGEST_FIELD = 300

_Row = Mapping[str, str]


def read_installs(data: bytes, *, app: str | None, platform: Platform | None) -> list[InstallCount]:
    """Return the counts of a file. ``app`` and ``platform`` are for files that do not name them.

    Raises InvalidAppConfig with the line.
    """
    text = decode_text(_unpacked(data))
    delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        head = [column.strip().lower() for column in next(rows, [])]
        read = _reader(head)
        found: defaultdict[tuple[str, Platform, date, str, str, str], int] = defaultdict(int)
        bounds = set[str]()
        for number, cells in enumerate(rows, 2):
            if not cells:
                continue
            if len(cells) < len(head):
                raise InvalidAppConfig(
                    f"{len(head)} cells are expected, there are {len(cells)}", place=f"line {number}"
                )
            row = dict(zip(head, cells, strict=False))
            try:
                count = read(row, app, platform)
            except ValueError as error:
                raise InvalidAppConfig(f"{error}", place=f"line {number}") from None
            key = (count.app, count.platform, count.day, count.version, count.build, count.source)
            found[key] += count.count
            bounds |= {count.source} if count.is_lower_bound else set()
    except csv.Error as error:
        raise InvalidAppConfig(f"not a table: {error}", place=f"line {rows.line_num}") from None
    return [
        InstallCount(of, on, day, count, version, build, source, source in bounds)
        for (of, on, day, version, build, source), count in found.items()
    ]


def _unpacked(data: bytes) -> bytes:
    if not data.startswith(_GZIP):
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            unpacked = stream.read(LONGEST_EXPORT + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidAppConfig(f"it cannot be unpacked: {error}") from None
    if len(unpacked) > LONGEST_EXPORT:
        raise InvalidAppConfig(f"it has more than {LONGEST_EXPORT} bytes, unpacked")
    return unpacked


def _reader(head: list[str]) -> Callable[[_Row, str | None, Platform | None], InstallCount]:
    """Return what reads a row, by the columns."""
    known = set(head)
    if "app version code" in known and known & set(_PLAY_COUNTS):
        return _play
    if {"date", "app version", "unique devices"} <= known:
        return _app_store
    if {"date", "app", "app_version", "clients"} <= known:
        return _plain
    raise InvalidAppConfig(
        "the columns are neither those of Google Play (App Version Code, Active Device Installs), nor of App Store "
        "Connect (App Version, Unique Devices), nor date, app, app_version, clients",
        place="line 1",
    )


_PLAY_COUNTS = ("active device installs", "current device installs")


def _play(row: _Row, app: str | None, _platform: Platform | None) -> InstallCount:
    counts = next(row[column] for column in _PLAY_COUNTS if column in row)
    name = _text(row.get("package name", "") or app or "", "Package Name")
    build = _text(row["app version code"], "App Version Code")
    return InstallCount(name, Platform.ANDROID, _day(row), _count(counts), build=build, source="google-play")


def _app_store(row: _Row, app: str | None, platform: Platform | None) -> InstallCount:
    if not app:
        raise ValueError("the file names the app by a number of the App Store only; give --app")
    version = _text(row["app version"], "App Version")
    return InstallCount(
        app,
        platform or Platform.IOS,
        _day(row),
        _count(row["unique devices"]),
        version,
        source="app-store",
        is_lower_bound=True,
    )


def _plain(row: _Row, app: str | None, platform: Platform | None) -> InstallCount:
    if platform is None:
        raise ValueError("the table does not name the platform; give --platform")
    name = _text(row["app"] or app or "", "app")
    return InstallCount(
        name, platform, _day(row), _count(row["clients"]), _text(row["app_version"], "app_version"), source="table"
    )


def _text(value: str, column: str) -> str:
    value = value.strip()
    if not value or len(value) > _LONGEST_FIELD:
        raise ValueError(f"{column} is empty or has more than {_LONGEST_FIELD} characters")
    return value


def _day(row: _Row) -> date:
    return date.fromisoformat(row["date"].strip())


def _count(text: str) -> int:
    digits = text.strip().replace(",", "")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 13 or int(digits) > _MOST:
        raise ValueError(f"{text[:40]!r} is no number of installs")
    return int(digits)


def name_unknown(counts: list[InstallCount], known: Callable[[InstallCount], bool]) -> Iterator[str]:
    """Yield versions and build numbers that belong to no registered release, each once."""
    yield from dict.fromkeys(
        f"{count.app} {count.version or f'build {count.build}'} ({count.platform})"
        for count in counts
        if not known(count)
    )
