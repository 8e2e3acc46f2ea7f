"""``hpkp exposure``: how many could have reported, counted from logs, from Prometheus, or told by hand."""

import asyncio
import csv
import gzip
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, cast
from urllib.parse import urlencode

import typer

from app.access_log import READERS, DailyCounter, LogFormat, UnreadableLine, guess_format
from app.app_agents import SOURCE, AppAgent, AppTally, parse_app_agent
from app.app_configs.install_exports import name_unknown
from app.cli.terminal import JsonOption, err, fail, opened, out, print_json, show_progress
from app.clock import now
from app.hpkp.app_pins.release import counts_for
from app.hpkp.audience import Audience
from app.hpkp.control import ControlDay
from app.hpkp.errors import HpkpError, InvalidPin
from app.hpkp.exposure import ExposedDay
from app.hpkp.hosts import Host, canonical_host
from app.hpkp.pins import parse_pin
from app.hpkp.user_agents.reporting import never_reports
from app.hpkp.wording import count
from app.hpkp.x509.pem import decode_text
from app.log_selection import LeftOut, Selection

app = typer.Typer(name="exposure", help="Record how many clients could have reported.", no_args_is_help=True)

HostArgument = Annotated[str, typer.Argument(help="The Pinned Host.", metavar="HOST")]
ControlOption = Annotated[bool, typer.Option("--control", help="These clients received control pins (hpkp control).")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only print what would be recorded.")]

_SHOWN = 3
_MOST = 10**15
_LONGEST_LINE = 65_536
_GZIP = b"\x1f\x8b"
_INSTALL_COLUMNS = ("date", "app", "app_version", "clients")


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
    app_agents: Annotated[
        list[str] | None,
        typer.Option("--app-agent", metavar="NAME=APP:PLATFORM", help="Name of an app in its user agent."),
    ] = None,
    control: ControlOption = False,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Import exposure from access logs (replaces those days).

    Sessions and clients are counted day by day. Responses with status 2xx and 3xx count; a client is an address
    with a user agent, a session a client within an hour. Of lines that name a virtual host (vhost_combined,
    absolute URIs) only those of HOST count. Clients that never send reports, such as current browsers, are
    skipped.

    A log does not show which responses carried the header: count those that do, with --path-prefix if it is not on
    all. With --control, give a log of responses that carried the control field, and no others. Give all logs of a
    day at once, since each import replaces the days in it. Exit code 2: not readable, or no response counts.

    With --app-agent, responses to NAME/VERSION or NAME/BUILD in the user agent are installs of that app and none of the
    site's clients. Days that a store's export counts already keep its numbers.
    """
    apps = AppTally(_app_agents(app_agents or []))
    name = _host(host)
    selection = Selection(
        frozenset(map(_host, virtual_hosts or [])) or {name},
        path_prefix,
        since.date() if since else None,
        until.date() if until else None,
    )
    counter, bad, lines = DailyCounter(), list[str](), 0
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
            if apps.add(hit):
                counter.add_day(hit.at)
                continue
            nameless += hit.user_agent in ("", "-")
            if not every_client and never_reports(hit.user_agent):
                silent += 1
                counter.add_day(hit.at)
            else:
                counter.add(hit)
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
            f"Skipped {count(silent, 'response')} to clients that never send reports, such as current browsers. Use "
            "--every-client to count them.",
            markup=False,
        )
    if nameless:
        err.print(
            f"{count(nameless, 'response')} without a user agent: clients that never send reports are included.",
            markup=False,
        )
    if counter.full:
        err.print("More clients than can be distinguished: the numbers are lower bounds.", markup=False)
    days = [ExposedDay(name, day, sessions, clients) for day, sessions, clients in counter.days()]
    _record(name, days, origin="access-log", control=control, dry_run=dry_run, as_json=as_json)
    if app_agents:
        _record_installs(apps, dry_run=dry_run)


def _app_agents(texts: list[str]) -> list[AppAgent]:
    try:
        return list(map(parse_app_agent, texts))
    except HpkpError as error:
        fail(str(error))


def _record_installs(apps: AppTally, *, dry_run: bool) -> None:
    """Record installs counted in a log, and name versions that are not registered. Prints to standard error."""
    with opened(creates=not dry_run) as service:
        releases = service.apps.list_releases()
        counts = list(apps.counts(releases))
        of_stores = [one for one in service.apps.list_installs({c.app for c in counts}) if one.source != SOURCE]
        known = {(one.app, one.platform, one.day, bool(one.build)) for one in of_stores}
        known |= {(*key[:3], not key[3]) for key in known}  # by version or by build: it is the same day of the app
        new = [one for one in counts if (one.app, one.platform, one.day, bool(one.build)) not in known]
        if not dry_run:
            service.apps.record_installs(new, at=now())
    for installed in new:
        named = installed.version or f"build {installed.build}"
        text = f"{installed.day}  {installed.app} {named} ({installed.platform}): at least {installed.count:,} installs"
        err.print(text, markup=False)
    if len(new) < len(counts):
        err.print(f"{len(counts) - len(new)} counts left out: a store's export counts these days.", markup=False)
    if apps.left_out:
        err.print(f"{apps.left_out} responses name more versions or clients than are counted.", markup=False)
    for unknown in name_unknown(new, lambda one: any(counts_for(one, release) for release in releases)):
        err.print(f"not registered: {unknown}; import its configuration with `hpkp app import`", markup=False)


def _lines(path: Path) -> Iterator[str]:
    """Read lines, each at most so long, with progress where it takes a while."""
    try:
        with _opened(path) as (stream, size), show_progress() as progress:
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
    """Record the exposure of one day (replaces it)."""
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
    """Import installs of app versions from a CSV file."""
    name = _host(host)
    try:
        text = io.StringIO(decode_text(file.read_bytes()), newline="")
        days = list(_installs(name, csv.DictReader(text), file))
    except (OSError, csv.Error) as error:
        fail(f"{file} cannot be read: {error}")
    _record(name, days, "installs", dry_run=dry_run, as_json=as_json)


def _installs(host: Host, rows: "csv.DictReader[str]", file: Path) -> Iterator[ExposedDay]:
    for column in _INSTALL_COLUMNS:
        if column not in (rows.fieldnames or ()):
            fail(f"{file} has no column {column!r}; its columns are {', '.join(_INSTALL_COLUMNS)}")
    for number, row in enumerate(rows, 2):
        try:
            clients = int(row["clients"])
            if not 0 <= clients <= _MOST or not row["app"]:
                raise ValueError("clients is a number from 0, app is not empty")
            yield ExposedDay(host, date.fromisoformat(row["date"]), None, clients, row["app"], row["app_version"] or "")
        except (ValueError, TypeError) as error:
            fail(f"{file}, line {number}: {error}")


@app.command("release")
def set_release(
    host: HostArgument,
    app_name: Annotated[str, typer.Argument(help="The app.", metavar="APP")],
    versions: Annotated[
        list[str] | None, typer.Argument(help="Releases; none for an app without versions.", metavar="VERSION")
    ] = None,
    pins: Annotated[list[str] | None, typer.Option("--pin", help="A pin that they carry.")] = None,
    unpinned: Annotated[bool, typer.Option("--unpinned", help="They carry no pins of the host.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Record which pins releases of an app carry.

    Without --pin those of the policy in force. Installs of a release count only if its pins are recorded and the
    policy has them all. A release with other pins, or --unpinned, is left out of the verdict.
    """
    name = _host(host)
    if pins and unpinned:
        fail("--pin and --unpinned contradict each other")
    if not app_name:
        fail("APP is empty")
    try:
        wanted = frozenset(map(parse_pin, pins or ()))
    except InvalidPin as error:
        fail(str(error))
    releases = [Audience(app_name, version) for version in versions or [""]]
    with opened(creates=True) as service:
        if not wanted and not unpinned:
            policy = service.policies.in_force(name, at=now())
            if policy is None:
                fail(f"no policy is in force for {name}; give the pins with --pin")
            wanted = policy.expected
        service.records.record_releases(name, releases, wanted, at=now())
    told = sorted(map(str, wanted))
    if as_json:
        print_json([{"app": found.app, "app_version": found.version, "pins": told} for found in releases])
        return
    for found in releases:
        out.print(f"{found}: {', '.join(told) or 'no pins'}", markup=False)


@app.command("pull")
def pull(
    host: HostArgument,
    query: Annotated[str, typer.Option(help="A PromQL expression with one value: the sessions of the day before it.")],
    prometheus: Annotated[str, typer.Option(help="Prometheus' address.")] = "http://127.0.0.1:9090",
    days: Annotated[int, typer.Option(min=1, max=366, help="How many whole days, up to yesterday.")] = 1,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Import sessions of past days from Prometheus.

    With a query such as sum(increase(http_requests_total[1d])). The expression is asked at the end of each day, UTC. A
    day without a value is left unknown.
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
    from app.outbound import Bounds, OutboundError, fetch

    bounds = Bounds(30, body_bytes=1_000_000, private_addresses=True)  # Prometheus is inside as a rule
    query_string = urlencode({"query": query, "time": str(int(at.timestamp()))})
    try:
        reply = asyncio.run(fetch("GET", f"{prometheus.rstrip('/')}/api/v1/query?{query_string}", bounds=bounds))
        members = json.loads(reply.body)
    except (OutboundError, ValueError, RecursionError) as error:
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
    """List recorded exposure.

    A day that is missing is unknown, not zero.
    """
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
        with opened(creates=True) as service:
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
