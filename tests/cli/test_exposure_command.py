"""``hpkp exposure``: access logs of three forms, counted by day and never for more than there was."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from typer.testing import CliRunner, Result

from app.access_log import DailyCounter, Hit, LogFormat, UnreadableLine, guess_format
from app.cli import app
from app.store.engine import upgrade

runner = CliRunner()
HOST = "www.example.com"
COMBINED = '{address} - - [{day}/Nov/2026:{hour}:05:06 +0100] "GET {path} HTTP/2.0" {status} 512 "-" "{agent}"'
HAPROXY = (
    "Nov  2 10:00:00 lb haproxy[14389]: {address}:33317 [{day}/Nov/2026:{hour}:14:14.655] https-in app/srv1 "
    '10/0/30/69/109 {status} 2750 - - ---- 1/1/1/1/0 0/0 {{1wt.eu}} {{}} "GET {path} HTTP/1.1"'
)


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/hpkp.sqlite3"
    upgrade(url)
    monkeypatch.setenv("HPKP_DATABASE_URL", url)
    monkeypatch.chdir(tmp_path)


def _run(*arguments: str, code: int = 0, given: bytes | None = None) -> Result:
    result = runner.invoke(app, ["exposure", *arguments], input=given)
    assert result.exit_code == code, (result.output, result.exception)
    return result


def _days(*arguments: str, given: bytes | None = None) -> list[tuple[str, int | None, int | None]]:
    found = json.loads(_run(*arguments, "--json", given=given).stdout)
    return [(day["day"], day["sessions"], day["clients"]) for day in found]


def _line(form: str = COMBINED, **parts: str) -> str:
    usual = {"address": "192.0.2.1", "day": "02", "hour": "10", "path": "/", "status": "200", "agent": "Old/1"}
    return form.format(**(usual | parts))


def _log(path: Path, *lines: str) -> str:
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


LINES = (
    {"hour": "10"},
    {"hour": "10", "path": "/picture.png"},
    {"hour": "14"},
    {"address": "192.0.2.2", "hour": "10", "status": "304"},
    {"address": "192.0.2.3", "status": "404"},
    {"address": "192.0.2.3", "status": "500"},
    {"day": "04", "address": "2001:db8::1"},
)


@pytest.mark.parametrize("form", [COMBINED, HAPROXY])
def test_a_client_s_responses_of_an_hour_are_one_session(tmp_path: Path, form: str) -> None:
    log = _log(tmp_path / "access.log", *(_line(form, **parts) for parts in LINES))
    expected = [("2026-11-02", 3, 2), ("2026-11-04", 1, 1)]
    assert _days("import", HOST, log) == expected
    assert _days("list", HOST) == expected


def test_the_same_log_twice_counts_once_and_a_dry_run_not_at_all(tmp_path: Path) -> None:
    log = _log(tmp_path / "access.log", _line())
    assert _days("import", HOST, log, "--dry-run") == [("2026-11-02", 1, 1)]
    assert _days("list", HOST) == []
    for _ in range(2):
        _run("import", HOST, log)
    assert _days("list", HOST) == [("2026-11-02", 1, 1)]


def test_json_lines_gzip_and_standard_input(tmp_path: Path) -> None:
    told = [
        {"time": "2026-11-02T23:30:00-02:00", "remote_addr": "192.0.2.1", "status": "200", "request_uri": "/a"},
        {"msec": 1793577600.5, "remote_addr": "192.0.2.1", "status": 200, "http_user_agent": "New/2"},
    ]
    text = "\n".join(map(json.dumps, told)).encode()
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(text))
    expected = [("2026-11-02", 1, 1), ("2026-11-03", 1, 1)]
    assert _days("import", HOST, str(tmp_path / "a.log.gz")) == expected
    assert _days("import", HOST, "-", given=text) == expected
    assert _days("import", HOST, "-", given=gzip.compress(text)) == expected
    (tmp_path / "a.log-2026").write_bytes(gzip.compress(text))
    assert _days("import", HOST, str(tmp_path / "a.log-2026")) == expected


def test_clients_that_never_report_are_left_out_and_said(tmp_path: Path) -> None:
    new = "Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36"
    lines = [_line(agent=new.format(140)), _line(agent=new.format(60)), _line(day="03", agent=new.format(141))]
    log = _log(tmp_path / "a.log", *lines)
    assert _days("import", HOST, log) == [("2026-11-02", 1, 1), ("2026-11-03", 0, 0)]
    assert "Skipped 2 responses to clients that never send reports" in _run("import", HOST, log).stderr
    assert _days("import", HOST, log, "--every-client") == [("2026-11-02", 2, 2), ("2026-11-03", 1, 1)]


def test_a_log_without_user_agents_is_counted_with_a_warning(tmp_path: Path) -> None:
    told = _run("import", HOST, _log(tmp_path / "a.log", _line(HAPROXY))).stderr
    assert "1 response without a user agent" in told


def _register(*versions: tuple[str, str]) -> None:
    """Register releases of example.shop for iOS, each with a version and a build."""
    for version, build in versions:
        Path("Pinning.swift.kt").write_text(f'CertificatePinner.Builder().add("{HOST}", "sha256/{"A" * 43}=")')
        arguments = ["app", "import", "Pinning.swift.kt", "--app", "example.shop", "--platform", "ios"]
        result = runner.invoke(app, [*arguments, "--release-version", version, "--build", build])
        assert result.exit_code in (0, 1), result.output


def test_the_user_agent_of_an_app_counts_its_installs_by_version_or_build(tmp_path: Path) -> None:
    _register(("2.3", "230"), ("2.4", "240"))
    agents = (
        "Shop/2.3 (Android 16)", "Shop/2.3 (Android 15)", "okhttp/5 Shop/2.3", "Shop/240 CFNetwork/1490 Darwin/23.0",
        "Shop/9.9", "Shopping/2.3", "Old/1",
    )  # fmt: skip
    lines = [_line(agent=agent, address=f"192.0.2.{number}") for number, agent in enumerate(agents)]
    log = _log(tmp_path / "log", *lines)
    result = _run("import", HOST, log, "--app-agent", "Shop=example.shop:ios", "--json")
    assert [(day["sessions"], day["clients"]) for day in json.loads(result.stdout)] == [(2, 2)]  # none of the app
    assert "not registered: example.shop 9.9 (ios); import its configuration" in result.stderr
    listed = runner.invoke(app, ["app", "list"]).output
    assert "example.shop 2.3 (ios): www.example.com; at least 3 of " in listed
    assert "example.shop 2.4 (ios): www.example.com; at least 1 of " in listed


def test_a_store_s_export_is_not_replaced_by_a_log(tmp_path: Path) -> None:
    _register(("2.3", "230"))
    table = tmp_path / "installs.csv"
    table.write_text("date,app,app_version,clients\n2026-11-02,example.shop,2.3,70000\n")
    assert runner.invoke(app, ["app", "installs", str(table), "--platform", "ios"]).exit_code == 0
    result = _run(
        "import", HOST, _log(tmp_path / "log", _line(agent="Shop/2.3")), "--app-agent", "Shop=example.shop:ios"
    )
    assert "1 counts left out: a store's export counts these days" in result.stderr
    assert "70,000 of 70,000 installs" in runner.invoke(app, ["app", "list"]).output


@pytest.mark.parametrize("text", ["Shop", "Shop=example.shop", "Shop=example.shop:windows", "Sh/op=x:ios", "=x:ios"])
def test_an_app_agent_that_cannot_be_is_refused(tmp_path: Path, text: str) -> None:
    result = _run("import", HOST, _log(tmp_path / "log", _line()), "--app-agent", text, code=2)
    assert "is not NAME=APP:PLATFORM" in result.stderr


def test_days_and_paths_can_be_chosen(tmp_path: Path) -> None:
    log = _log(tmp_path / "a.log", _line(path="/shop/1"), _line(path="/x", hour="12"), _line(day="03", path="/shop"))
    assert _days("import", HOST, log, "--path-prefix", "/shop") == [("2026-11-02", 1, 1), ("2026-11-03", 1, 1)]
    assert _days("import", HOST, log, "--since", "2026-11-03") == [("2026-11-03", 1, 1)]
    assert _days("import", HOST, log, "--until", "2026-11-02") == [("2026-11-02", 2, 1)]


VHOST = "{vhost} " + COMBINED
ABSOLUTE = HAPROXY.replace("GET {path} HTTP/1.1", "GET https://{vhost}{path} HTTP/2.0")


@pytest.mark.parametrize("form", [VHOST, ABSOLUTE], ids=["vhost_combined", "absolute URIs"])
def test_of_a_log_of_many_hosts_only_the_lines_of_the_host_count_each_by_its_client(tmp_path: Path, form: str) -> None:
    mine = [
        _line(form, vhost=f"{name}:443", address=f"192.0.2.{n}") for n, name in enumerate((HOST, HOST.upper(), HOST))
    ]
    others = [_line(form, vhost="blog.example.org:443", address=f"198.51.100.{number}") for number in range(2)]
    log = _log(tmp_path / "a.log", *mine, *others)
    assert _days("import", HOST, log) == [("2026-11-02", 3, 3)]
    assert "2 responses are of other virtual hosts (blog.example.org)" in _run("import", HOST, log).stderr
    assert _days("import", HOST, log, "--virtual-host", "blog.example.org") == [("2026-11-02", 2, 2)]


def test_absolute_uris_match_a_path_prefix_by_their_path(tmp_path: Path) -> None:
    paths = ("/shop/1", "/shop", "/x", "")
    lines = [_line(ABSOLUTE, vhost=HOST, path=path, address=f"192.0.2.{n}") for n, path in enumerate(paths)]
    log = _log(tmp_path / "a.log", *lines)
    assert _days("import", HOST, log, "--path-prefix", "/shop") == [("2026-11-02", 2, 2)]
    assert _days("import", HOST, log, "--path-prefix", "/") == [("2026-11-02", 4, 4)]


def test_a_log_of_virtual_hosts_is_not_read_as_combined(tmp_path: Path) -> None:
    log = _log(tmp_path / "a.log", _line(VHOST, vhost=HOST))
    assert "as in vhost_combined" in _run("import", HOST, log, "--format", "combined", code=2).stderr
    assert _days("import", HOST, log, "--format", "vhost_combined") == [("2026-11-02", 1, 1)]


@pytest.mark.parametrize(
    ("line", "options", "told"),
    [
        (_line(VHOST, vhost="example.com:443"), [], "1 of other virtual hosts (example.com). Name the virtual host"),
        (_line(path="/a?b"), ["--path-prefix", "/shop"], "1 to other paths (/a). Change --path-prefix /shop"),
        (_line(), ["--since", "2026-11-03"], "1 on other days (2026-11-02). Change --since and --until"),
        (_line(status="404"), [], "1 with other statuses than 2xx and 3xx (404)"),
    ],
    ids=["host", "path", "day", "status"],
)
def test_a_log_of_which_nothing_counts_is_an_error_that_says_what_it_has(
    tmp_path: Path, line: str, options: list[str], told: str
) -> None:
    log = _log(tmp_path / "a.log", line)
    said = " ".join(_run("import", HOST, log, *options, code=2).stderr.split())
    assert f"no response counts: {told}" in said
    assert _days("list", HOST) == []


def test_days_are_those_of_utc(tmp_path: Path) -> None:
    log = _log(tmp_path / "a.log", _line(day="03", hour="00"))  # at +0100
    assert _days("import", HOST, log) == [("2026-11-02", 1, 1)]


def test_lines_that_cannot_be_read_are_told_with_their_number(tmp_path: Path) -> None:
    log = _log(tmp_path / "a.log", _line(), "nonsense", _line(hour="11"), _line().replace("Nov", "Nix"))
    told = _run("import", HOST, log, "--format", "combined")
    assert f"{log}, line 2: the line has another form" in told.stderr
    assert f"{log}, line 4: the time cannot be read" in told.stderr
    assert "2 of 4 lines" in told.stderr


@pytest.mark.parametrize("text", ["", "nonsense\n", "[1]\n", "\x00\xff" * 99, '{"time": 1}\n'])
def test_what_is_no_log_is_refused_and_records_nothing(tmp_path: Path, text: str) -> None:
    log = _log(tmp_path / "a.log", text)
    assert "could not be read" in _run("import", HOST, log, code=2).stderr
    assert _days("list", HOST) == []


@pytest.mark.parametrize("content", [b"\x1f\x8b broken", b"no gzip"])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.log.gz").write_bytes(content)
    assert "a.log.gz cannot be read" in _run("import", HOST, str(tmp_path / "a.log.gz"), code=2).stderr
    assert "cannot be read" in _run("import", HOST, "nowhere.log", code=2).stderr


def test_beyond_the_bound_nothing_is_added_so_counts_stay_below_what_there_was() -> None:
    counter = DailyCounter(most=100)
    for number in range(1000):
        counter.add(Hit(datetime(2026, 11, 2, tzinfo=UTC), str(number), 200, "/"))
    ((_, sessions, clients),) = counter.days()
    assert counter.full
    assert sessions == clients == 50


def test_formats_are_guessed() -> None:
    assert guess_format(_line()) is LogFormat.COMBINED
    assert guess_format(_line(HAPROXY)) is LogFormat.HAPROXY
    with pytest.raises(UnreadableLine):
        guess_format("nonsense")


def test_a_day_can_be_told_by_hand_for_the_site_and_for_an_app() -> None:
    _run("set", HOST, "2026-11-02", "--sessions", "5", "--clients", "4")
    _run("set", HOST, "2026-11-02", "--clients", "7", "--app", "shop", "--app-version", "1.0")
    assert _days("list", HOST) == [("2026-11-02", 5, 4), ("2026-11-02", None, 7)]
    assert "sessions" in _run("set", HOST, "2026-11-02", "--sessions", "3", "--clients", "4", code=2).stderr
    assert "shop 1.0: 7 clients" in _run("list", HOST).stdout
    assert "--sessions" in _run("set", HOST, "2026-11-02", code=2).stderr
    tomorrow = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"
    assert "future" in _run("set", HOST, tomorrow, "--sessions", "1", code=2).stderr


def test_installs_come_from_a_table(tmp_path: Path) -> None:
    file = _log(tmp_path / "i.csv", "date,app,app_version,clients", "2026-11-02,shop,1.0,40", "2026-11-02,shop,1.1,60")
    assert _days("installs", HOST, file) == [("2026-11-02", None, 40), ("2026-11-02", None, 60)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("date,app,clients\n2026-11-02,shop,4", "no column 'app_version'"),
        ("date,app,app_version,clients\n2026-11-02,shop,1,many", "line 2"),
        ("date,app,app_version,clients\n2026-13-02,shop,1,4", "line 2"),
        ("date,app,app_version,clients\n2026-11-02,shop,1,-4", "line 2"),
    ],
)
def test_a_table_that_is_none_is_refused_with_the_place(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in _run("installs", HOST, _log(tmp_path / "i.csv", text), code=2).stderr


@contextmanager
def _prometheus(answer: Any) -> Iterator[tuple[str, list[dict[str, list[str]]]]]:
    """Answer instant queries as Prometheus' HTTP API does."""
    asked: list[dict[str, list[str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(parse_qs(urlsplit(self.path).query))
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _vector(*values: str) -> dict[str, Any]:
    result = [{"metric": {}, "value": [1, value]} for value in values]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def test_prometheus_is_asked_at_the_end_of_each_day() -> None:
    with _prometheus(_vector("1200.7")) as (url, asked):
        found = _days("pull", HOST, "--query", "sum(increase(x[1d]))", "--prometheus", url, "--days", "2")
    today = datetime.now(UTC).date()
    assert found == [(f"{today - timedelta(days=back)}", 1200, None) for back in (2, 1)]
    assert [int(query["time"][0]) % 86_400 for query in asked] == [0, 0]


def test_a_day_without_a_value_stays_unknown() -> None:
    with _prometheus(_vector()) as (url, _):
        assert "left unknown" in _run("pull", HOST, "--query", "x", "--prometheus", url).stderr
    assert _days("list", HOST) == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (_vector("1", "2"), "2 values"),
        (_vector("NaN"), "no number of sessions"),
        (_vector("-1"), "no number of sessions"),
        ({"status": "error", "error": "parse error"}, "parse error"),
        ({"status": "success"}, "not that of an instant query"),
        (b"<html>", "did not answer as Prometheus does"),
        (b" " * 1_100_000, "too long"),
    ],
)
def test_what_prometheus_does_not_tell_is_not_recorded(answer: Any, reason: str) -> None:
    with _prometheus(answer) as (url, _):
        assert reason in _run("pull", HOST, "--query", "x", "--prometheus", url, code=2).stderr
    assert "did not answer" in _run("pull", HOST, "--query", "x", "--prometheus", url, code=2).stderr


PIN, OTHER_PIN = "A" * 43 + "=", "E" * 43 + "="


def test_a_release_carries_the_pins_of_the_policy_the_given_ones_or_none() -> None:
    assert "no policy is in force" in _run("release", HOST, "com.example.shop", "4.2", code=2).stderr
    policy = runner.invoke(app, ["policy", "set", HOST, "--pin", PIN, "--pin", OTHER_PIN])
    assert policy.exit_code == 0, policy.output
    told = json.loads(_run("release", HOST, "com.example.shop", "4.1", "4.2", "--json").stdout)
    assert told == [
        {"app": "com.example.shop", "app_version": version, "pins": [PIN, OTHER_PIN]} for version in ("4.1", "4.2")
    ]
    assert _run("release", HOST, "shop", "--pin", PIN).stdout == f"shop: {PIN}\n"
    assert _run("release", HOST, "shop", "1.0", "--unpinned").stdout == "shop 1.0: no pins\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("shop", "--pin", "no pin"), "no pin"),
        (("shop", "--pin", PIN, "--unpinned"), "contradict"),
        (("",), "APP is empty"),
    ],
)
def test_a_release_that_cannot_be_ends_with_the_reason(arguments: tuple[str, ...], reason: str) -> None:
    assert reason in _run("release", HOST, *arguments, code=2).stderr
