"""``hpkp exposure``: how many could have reported, counted from logs, from Prometheus, or told by hand."""

import csv
import gzip
import io
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, cast

import httpx
import typer
from rich.progress import Progress

from app.access_log import READERS, LogFormat, Tally, UnreadableLine, guess_format
from app.cli.terminal import JsonOption, err, fail, opened, out, print_json
from app.hpkp.control import ControlDay
from app.hpkp.exposure import ExposedDay
from app.hpkp.hosts import Host, canonical_host
from app.hpkp.user_agents.reporting import never_reports
from app.hpkp.x509.pem import decode_text
from app.log_selection import LeftOut, Selection
from app.service import now

app = typer.Typer(name="exposure", help="Tell how many could have reported, day by day.", no_args_is_help=True)

HostArgument = Annotated[str, typer.Argument(help="The Pinned Host.", metavar="HOST")]
ControlOption = Annotated[bool, typer.Option("--control", help="These clients received control pins (hpkp control).")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only print what would be recorded.")]

_SHOWN = 3
_MOST = 10**15
_LONGEST_LINE = 65_536
_GZIP = b"\x1f\x8b"
_LONGEST_ANSWER = 1_000_000


@app.command("import")
def import_logs(
    host: HostArgument,
    files: Annotated[list[Path], typer.Argument(help="Access logs, also compressed by gzip; - for standard input.")],
    log_format: Annotated[
        LogFormat | None, typer.Option("--format", help="What a line looks like; else guessed from each file.")
    ] = None,
    path_prefix: Annotated[str, typer.Option(help="Count only responses to paths that begin so.")] = "",
    virtual_hosts: Annotated[
        list[str] | None, typer.Option("--virtual-host", help="Name of the host in the log, if it is not HOST.")
    ] = None,
    since: Annotated[datetime | None, typer.Option(help="The first day, UTC.", formats=["%Y-%m-%d"])] = None,
    until: Annotated[datetime | None, typer.Option(help="The last day, UTC.", formats=["%Y-%m-%d"])] = None,
    every_client: Annotated[
        bool, typer.Option("--every-client", help="Count those too that are known to send no reports.")
    ] = False,
    control: ControlOption = False,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Count sessions and clients in access logs, day by day, and record them in place of what was known of these days.

    Responses with status 2xx and 3xx count; a client is an address with a user agent, a session a client within an
    hour. Of lines that name a virtual host (vhost_combined, absolute URIs) only those of HOST count. Clients that are
    known to send no reports, as all browsers of today are, are left out. A log does not tell which responses carried
    the header: count those that do, with --path-prefix where it is not on all. With --control, give a log of responses
    that carried the control field, and no others. Give all logs of a day at once, since each import replaces the days
    in it. Exit code 2: not readable, or no response counts.
    """
    name = _host(host)
    selection = Selection(
        frozenset(map(_host, virtual_hosts or [])) or {name},
        path_prefix,
        since.date() if since else None,
        until.date() if until else None,
    )
    tally, bad, lines = Tally(), list[str](), 0
    unreadable, silent, nameless = 0, 0, 0
    for path in files:
        reader = None if log_format is None else READERS[log_format]
        for number, line in enumerate(_lines(path), 1):
            lines += 1
            try:
                reader = reader or READERS[guess_format(line)]
                hit = reader(line)
            except UnreadableLine as error:
                unreadable += 1
                if len(bad) < _SHOWN:
                    bad.append(f"{path}, line {number}: {error}")
                continue
            if not selection.takes(hit):
                continue
            nameless += hit.user_agent in ("", "-")
            if not every_client and never_reports(hit.user_agent):
                silent += 1
                tally.add_day(hit.at)
            else:
                tally.add(hit)
    for told in bad:
        err.print(f"not read: {told}", markup=False)
    if unreadable * 2 > lines or not lines:
        fail(f"{unreadable} of {lines} lines could not be read; name the --format: {', '.join(LogFormat)}")
    if not selection.taken:
        fail(f"{selection.nothing_taken()}. Nothing was recorded.")
    if others := selection.left_out[LeftOut.HOST]:
        err.print(f"{others} responses are {LeftOut.HOST} ({selection.seen(LeftOut.HOST)}).", markup=False)
    if unreadable:
        err.print(f"{unreadable} of {lines} lines could not be read and were not counted.", markup=False)
    if silent:
        err.print(
            f"{silent} responses went to clients that never send reports, as browsers of today, and were left out: "
            "their silence says nothing (--every-client counts them).",
            markup=False,
        )
    if nameless:
        err.print(
            f"{nameless} responses name no user agent: those who never send reports are counted among them too.",
            markup=False,
        )
    if tally.full:
        err.print("There were more clients than are told apart: the numbers are lower bounds.", markup=False)
    days = [ExposedDay(name, day, sessions, clients) for day, sessions, clients in tally.days()]
    _record(name, days, origin="access-log", control=control, dry_run=dry_run, as_json=as_json)


def _lines(path: Path) -> Iterator[str]:
    """Read lines, each at most so long, with progress where it takes a while."""
    try:
        with _opened(path) as (stream, size), Progress(console=err, transient=True) as progress:
            task = progress.add_task(str(path), total=size)
            packed = path.suffix == ".gz" or stream.peek(2)[:2] == _GZIP
            read = gzip.GzipFile(fileobj=stream) if packed else stream
            while line := read.readline(_LONGEST_LINE):
                progress.update(task, completed=stream.tell() if size is not None else None)
                if text := line.decode("utf-8", "replace").strip():
                    yield text
    except (OSError, EOFError) as error:
        fail(f"{path} cannot be read: {error}")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[io.BufferedReader, int | None]]:
    if str(path) == "-":
        yield io.BufferedReader(cast("io.RawIOBase", sys.stdin.buffer)), None  # for its peek
        return
    with path.open("rb") as stream:
        yield stream, path.stat().st_size


@app.command("set")
def set_day(
    host: HostArgument,
    day: Annotated[datetime, typer.Argument(help="The day, UTC.", formats=["%Y-%m-%d"], metavar="DATE")],
    sessions: Annotated[int | None, typer.Option(min=0, max=_MOST, help="Sessions that were served the pins.")] = None,
    clients: Annotated[
        int | None, typer.Option(min=0, max=_MOST, help="Distinct clients among them, or installs of the app.")
    ] = None,
    app_name: Annotated[str, typer.Option("--app", help="The app; without it the site itself.")] = "",
    app_version: Annotated[str, typer.Option(help="The app's version.")] = "",
    control: ControlOption = False,
    as_json: JsonOption = False,
) -> None:
    """Record how many could have reported on a day, in place of what was known of it."""
    if sessions is None and clients is None:
        fail("give --sessions, --clients, or both")
    if control and (clients is None or sessions is not None):
        fail("with --control, give --clients alone")
    name = _host(host)
    days = [ExposedDay(name, day.date(), sessions, clients, app_name, app_version)]
    _record(name, days, "api", control=control, as_json=as_json)


@app.command("installs")
def import_installs(
    host: HostArgument,
    file: Annotated[Path, typer.Argument(help="A CSV file with the columns date, app, app_version, clients.")],
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Record how many installs of each version of an app there were, day by day."""
    name = _host(host)
    try:
        text = io.StringIO(decode_text(file.read_bytes()), newline="")
        days = list(_installs(name, csv.DictReader(text), file))
    except (OSError, csv.Error) as error:
        fail(f"{file} cannot be read: {error}")
    _record(name, days, "installs", dry_run=dry_run, as_json=as_json)


def _installs(host: Host, rows: Iterable[dict[str, str]], file: Path) -> Iterator[ExposedDay]:
    for number, row in enumerate(rows, 2):
        try:
            clients = int(row["clients"])
            if not 0 <= clients <= _MOST or not row["app"]:
                raise ValueError("clients is a number from 0, app is not empty")
            yield ExposedDay(host, date.fromisoformat(row["date"]), None, clients, row["app"], row["app_version"] or "")
        except KeyError as error:
            fail(f"{file} has no column {error}; its columns are date, app, app_version, clients")
        except (ValueError, TypeError) as error:
            fail(f"{file}, line {number}: {error}")


@app.command("pull")
def pull(
    host: HostArgument,
    query: Annotated[str, typer.Option(help="A PromQL expression with one value: the sessions of the day before it.")],
    prometheus: Annotated[str, typer.Option(help="Prometheus' address.")] = "http://127.0.0.1:9090",
    days: Annotated[int, typer.Option(min=1, max=366, help="How many whole days, up to yesterday.")] = 1,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Ask Prometheus for the sessions of past days, such as with sum(increase(http_requests_total[1d])).

    The expression is asked at the end of each day, UTC. A day without a value is left unknown.
    """
    name, today = _host(host), datetime.combine(now().date(), time(), UTC)
    found = []
    for back in range(days, 0, -1):
        end = today - timedelta(days=back - 1)
        value = _ask(prometheus, query, end)
        day = (end - timedelta(days=1)).date()
        if value is None:
            err.print(f"{day}: no value, left unknown", markup=False)
        else:
            found.append(ExposedDay(name, day, int(value)))
    _record(name, found, "prometheus", dry_run=dry_run, as_json=as_json)


def _ask(prometheus: str, query: str, at: datetime) -> float | None:
    """Ask one instant query; None for no value."""
    parameters = {"query": query, "time": str(int(at.timestamp()))}
    try:
        with httpx.stream("GET", f"{prometheus.rstrip('/')}/api/v1/query", params=parameters, timeout=30) as answer:
            body = b""
            for part in answer.iter_bytes():
                body += part
                if len(body) > _LONGEST_ANSWER:
                    fail("the answer is too long; sum the expression to one value")
            members = httpx.Response(answer.status_code, content=body).json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        fail(f"{prometheus} did not answer as Prometheus does: {error}")
    if not isinstance(members, dict) or members.get("status") != "success":
        fail(f"Prometheus refused the expression: {str(members)[:300]}")
    try:
        data = members["data"]
        values = [data["result"]] if data["resultType"] == "scalar" else [series["value"] for series in data["result"]]
        if len(values) > 1:
            fail(f"the expression has {len(values)} values; sum it to one")
        value = float(values[0][1]) if values else None
    except (KeyError, TypeError, IndexError, ValueError):
        fail("the answer of Prometheus is not that of an instant query")
    if value is not None and not 0 <= value <= _MOST:
        fail(f"the expression gives {value}, which is no number of sessions")
    return value


@app.command("list")
def list_days(host: HostArgument, as_json: JsonOption = False) -> None:
    """Print what is known. A day that is missing is unknown, not zero."""
    name = _host(host)
    with opened() as service:
        days = list(service.records.list_exposure(name))
    _print(days, as_json=as_json)


def _host(text: str) -> Host:
    try:
        return canonical_host(text)
    except ValueError as error:
        fail(str(error))


def _record(
    host: Host,
    days: list[ExposedDay],
    origin: str,
    *,
    control: bool = False,
    dry_run: bool = False,
    as_json: bool = False,
) -> None:
    """Record and print days; with ``control`` the clients that received control pins on them."""
    today = now().date()
    if future := [day.day for day in days if day.day > today]:
        fail(f"{future[0]} lies in the future; nothing was recorded")
    if early := [day.day for day in days if day.day.year < 1970]:
        fail(f"{early[0]} lies before there was HTTP; nothing was recorded")
    if faults := [f"{day.day}: {day.fault}" for day in days if day.fault is not None]:
        fail(f"{faults[0]}; nothing was recorded")
    if not dry_run and days:
        with opened() as service:
            if control:
                counted = [ControlDay(d.host, d.day, d.clients or 0, d.app, d.app_version) for d in days]
                service.control.record_exposure(counted, origin=origin, at=now())
            else:
                service.records.record_exposure(days, origin=origin, at=now())
    _print(days, as_json=as_json)
    if not days and not as_json:
        err.print(f"There was nothing to record for {host}.", markup=False)


def _print(days: list[ExposedDay], *, as_json: bool) -> None:
    if as_json:
        print_json([asdict(day) for day in days])
        return
    for day in days:
        what = f"{day.app} {day.app_version}".strip() or "the site"
        counts = {"sessions": day.sessions, "clients": day.clients}
        told = ", ".join(f"{count} {unit}" for unit, count in counts.items() if count is not None)
        out.print(f"{day.day}  {what}: {told}", markup=False)
