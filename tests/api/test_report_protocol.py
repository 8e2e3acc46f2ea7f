"""Reports answered in the HTTP protocol class: as through ASGI to the byte, and never before they are durable."""

import logging
import pickle
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from typer.testing import CliRunner

from app.api.connections import LimitedProtocol
from app.api.report_protocol import ReportProtocol
from app.cli import app as cli
from app.cli import workers as workers_module
from app.cli.fold_process import FoldProcess
from app.ingest.log_values import FailureKind, NotAppended
from app.outcomes import Outcome
from tests.support.protocol_server import HeldLog, Served, chunked, post, serving, split, statuses_of, wait_until
from tests.support.reports import distinct_bodies, report_body

KNOWN = distinct_bodies(12)
LIMIT = 20_000
LAST = post(path="/livez", method="GET", length=False).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
HEAD = len(post(KNOWN[0])) - len(KNOWN[0])
WEBSOCKET = post(
    b"",
    "/report",
    *("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    method="GET",
    length=False,
)
FOREIGN = b'[{"type":"deprecation","age":1,"url":"https://a.example/","user_agent":"x","body":{}}]'


@dataclass(frozen=True, slots=True)
class Say:
    """A conversation: what is sent, part by part; then the statuses, and how the outcome counters move."""

    name: str
    parts: Sequence[bytes]
    statuses: Sequence[int]
    outcomes: dict[Outcome, int] = field(default_factory=dict)
    in_protocol: int = 0
    """How many requests are taken without ASGI."""
    closed: bool = False
    """Whether the server closes by itself; else one more request asks it to."""
    after: Sequence[bytes] = ()
    """What is sent when so many answers as parts have come: the sender waited."""
    leaves: bool = False
    """Whether the sender goes away without waiting for an answer."""


ACCEPTED, ONE = {Outcome.ACCEPTED: 1}, [204]


def _new(port: int) -> bytes:
    return report_body(port=port)


CONVERSATIONS = [
    # What is taken in the protocol.
    Say("a report that is known again", [post(KNOWN[0])], ONE, ACCEPTED, 1),
    Say("a new report", [post(_new(1001))], ONE, ACCEPTED, 1),
    Say("a report under a label", [post(KNOWN[1], "/report/web.eu-1_x~")], ONE, ACCEPTED, 1),
    Say("the longest label", [post(KNOWN[1], "/report/" + "L" * 64)], ONE, ACCEPTED, 1),
    Say("without Host", [post(KNOWN[0]).replace(b"Host: reports.example\r\n", b"")], ONE, ACCEPTED, 1),
    Say("from a page", [post(KNOWN[0], "/report", "Origin: https://www.example.com")], ONE, ACCEPTED, 1),
    Say("any content type", [post(KNOWN[0], "/report", "Content-Type: image/png")], ONE, ACCEPTED, 1),
    Say("identity in words", [post(KNOWN[0], "/report", "Content-Encoding: identity")], ONE, ACCEPTED, 1),
    Say("an odd user agent", [post(KNOWN[0], "/report", "User-Agent: \xe9\t" + "x" * 900)], ONE, ACCEPTED, 1),
    Say("an empty line before", [b"\r\n\r\n" + post(KNOWN[0])], ONE, ACCEPTED, 1),
    Say("500 headers", [post(KNOWN[0], "/report", *(f"X-{n}: {n}" for n in range(500)))], ONE, ACCEPTED, 1),
    Say("Connection: close", [post(KNOWN[0], "/report", "Connection: close")], ONE, ACCEPTED, 1, closed=True),
    Say("Connection: Keep-Alive", [post(KNOWN[0], "/report", "Connection: Keep-Alive")], ONE, ACCEPTED, 1),
    Say("one after the other", [post(KNOWN[0])], [204, 204], {Outcome.ACCEPTED: 2}, 2, after=[post(KNOWN[1])]),
    Say("an empty body", [post(b"")], [400], {Outcome.UNREADABLE: 1}, 1),
    Say("no length, no body", [post(b"", length=False)], [400], {Outcome.UNREADABLE: 1}, 1),
    Say("not JSON", [post(b"{nonsense")], [400], {Outcome.UNREADABLE: 1}, 1),
    Say("not a report", [post(b'{"hostname":5}')], [422], {Outcome.NOT_A_REPORT: 1}, 1),
    Say(
        "not a report, and close",
        [post(b"{}", "/report", "Connection: close")],
        [422],
        {Outcome.NOT_A_REPORT: 1},
        1,
        closed=True,
    ),
    Say("a report of another kind", [post(FOREIGN)], [204], {Outcome.FOREIGN_TYPE: 1}, 1),
    Say("a forged canary", [post(report_body(hpkp_canary={"x": 1}))], [422], {Outcome.CANARY_REFUSED: 1}, 1),
    # Who it is from.
    Say("from a proxy", [post(KNOWN[0], "/report", "X-Forwarded-For: 203.0.113.7")], ONE, ACCEPTED, 1),
    Say("from two", [post(KNOWN[0], "/report", "X-Forwarded-For: 10.9.8.7, 203.0.113.8")], ONE, ACCEPTED, 1),
    Say("with a port", [post(KNOWN[0], "/report", "X-Forwarded-For: [2001:db8::1]:99")], ONE, ACCEPTED, 1),
    Say("from nobody", [post(KNOWN[0], "/report", "X-Forwarded-For: ")], ONE, ACCEPTED, 1),
    Say("from the proxy itself", [post(KNOWN[0], "/report", "X-Forwarded-For: 127.0.0.1")], ONE, ACCEPTED, 1),
    Say("from nonsense", [post(KNOWN[0], "/report", "X-Forwarded-For: " + ":\xff" * 99)], ONE, ACCEPTED, 1),
    Say(
        "named twice",
        [post(KNOWN[0], "/report", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-For: 5.6.7.8")],
        ONE,
        ACCEPTED,
    ),
    # Paths, methods and heads that are left to ASGI.
    Say("a slash at the end", [post(KNOWN[0], "/report/")], ONE, ACCEPTED),
    Say("an encoded label", [post(KNOWN[0], "/report/%77eb")], ONE, ACCEPTED),
    Say("an encoded path", [post(KNOWN[0], "/%72eport")], ONE, ACCEPTED),
    Say("a fragment", [post(KNOWN[0], "/report#web")], ONE, ACCEPTED),
    Say("an absolute URI", [post(KNOWN[0], "http://reports.example/report/web")], ONE, ACCEPTED),
    Say("a mode", [post(KNOWN[0], "/report?mode=enforce")], ONE, ACCEPTED),
    Say("an empty query", [post(KNOWN[0], "/report?")], ONE, ACCEPTED),
    Say("another mode", [post(KNOWN[0], "/report?mode=%00")], [400], {Outcome.BAD_REQUEST: 1}),
    Say("too long a label", [post(KNOWN[0], "/report/" + "L" * 65)], [400], {Outcome.BAD_REQUEST: 1}),
    Say("a label with a slash", [post(KNOWN[0], "/report/a/b")], [400], {Outcome.BAD_REQUEST: 1}),
    Say("a label with an encoded slash", [post(KNOWN[0], "/report/a%2Fb")], [400], {Outcome.BAD_REQUEST: 1}),
    Say("another path", [post(KNOWN[0], "/reports")], [404]),
    Say("GET", [post(b"", method="GET", length=False)], [405], {Outcome.METHOD_NOT_ALLOWED: 1}),
    Say(
        "HEAD",
        [post(b"", "/report", "Connection: close", method="HEAD", length=False)],
        [405],
        {Outcome.METHOD_NOT_ALLOWED: 1},
        closed=True,
    ),
    Say("PUT", [post(KNOWN[0], method="PUT")], [405], {Outcome.METHOD_NOT_ALLOWED: 1}),
    Say("OPTIONS", [post(b"", method="OPTIONS", length=False)], [204], {Outcome.PREFLIGHT: 1}),
    Say("gzip", [post(KNOWN[0], "/report", "Content-Encoding: gzip")], [415], {Outcome.CONTENT_ENCODING: 1}),
    Say("a header twice", [post(KNOWN[0], "/report", "Cookie: a=1", "Cookie: b=2")], ONE, ACCEPTED),
    Say("HTTP/1.0", [post(KNOWN[0], version="1.0")], ONE, ACCEPTED, closed=True),
    Say(
        "1.0, keep-alive",
        [post(KNOWN[0], "/report", "Connection: keep-alive", version="1.0")],
        ONE,
        ACCEPTED,
        closed=True,
    ),
    Say("an upgrade to WebSocket", [WEBSOCKET], [405], {Outcome.METHOD_NOT_ALLOWED: 1}, closed=True),
    Say(
        "an upgrade to WebSocket with a body",
        [WEBSOCKET.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\nhello")],
        [405],
        {Outcome.METHOD_NOT_ALLOWED: 1},
        closed=True,
    ),
    Say(
        "an upgrade that does not ask to close",
        [post(KNOWN[0], "/report", "Connection: Upgrade", "Upgrade: h2c")],
        [400],
        {Outcome.UNREADABLE: 1},
        closed=True,
    ),
    # The parser takes what follows the head for the other protocol.
    Say(
        "an upgrade to HTTP/2",
        [post(KNOWN[0], "/report", "Connection: close, Upgrade", "Upgrade: h2c")],
        [400],
        {Outcome.UNREADABLE: 1},
        closed=True,
    ),
    Say(
        "too large by its length",
        [post(b" " * (LIMIT + 1))[:500]],
        [413],
        {Outcome.TOO_LARGE: 1},
        closed=True,
    ),
    Say(
        "too large in chunks",
        [post(b"", "/report", "Transfer-Encoding: chunked", length=False) + chunked(b" " * (LIMIT + 1))],
        [413],
        {Outcome.TOO_LARGE: 1},
        closed=True,
    ),
    # Expect.
    Say(
        "Expect, and the body when asked for",
        [post(KNOWN[0], "/report", "Expect: 100-continue")[: -len(KNOWN[0])]],
        [100, 204],
        ACCEPTED,
        after=[KNOWN[0]],
    ),
    Say("Expect, not waited for", [post(KNOWN[0], "/report", "Expect: 100-continue")], [100, 204], ACCEPTED),
    Say("another expectation", [post(KNOWN[0], "/report", "Expect: nothing")], ONE, ACCEPTED, 1),
    # In several reads.
    Say("split in the request line", split(post(KNOWN[0]), 9), ONE, ACCEPTED, 1),
    Say("split in a header's name", split(post(KNOWN[0]), 27), ONE, ACCEPTED, 1),
    Say("split before the empty line", split(post(KNOWN[0]), HEAD - 2), ONE, ACCEPTED, 1),
    Say("split in the empty line", split(post(KNOWN[0]), HEAD - 1), ONE, ACCEPTED, 1),
    Say("split before the body", split(post(KNOWN[0]), HEAD), ONE, ACCEPTED),
    Say("split after a byte of the body", split(post(KNOWN[0]), HEAD + 1), ONE, ACCEPTED),
    Say("split in the body, twice", split(post(KNOWN[0]), HEAD + 999, -999), ONE, ACCEPTED),
    Say("split before the last byte", split(post(KNOWN[0]), -1), ONE, ACCEPTED),
    Say("split twice in the head", split(post(KNOWN[0]), 3, HEAD - 9), ONE, ACCEPTED, 1),
    Say("split, not a report", split(post(b"{}" + b" " * 99), -9), [422], {Outcome.NOT_A_REPORT: 1}),
    # Chunks and lengths.
    Say(
        "chunks", [post(b"", "/report", "Transfer-Encoding: chunked", length=False) + chunked(KNOWN[0])], ONE, ACCEPTED
    ),
    Say(
        "chunks in several reads",
        split(
            post(b"", "/report", "Transfer-Encoding: chunked", length=False) + chunked(KNOWN[0][:9], KNOWN[0][9:]), -99
        ),
        ONE,
        ACCEPTED,
    ),
    Say("chunks and a length", [post(KNOWN[0], "/report", "Transfer-Encoding: chunked")], [400], closed=True),
    Say("two lengths", [post(KNOWN[0], "/report", "Content-Length: 5")], [400], closed=True),
    Say("the same length twice", [post(KNOWN[0], "/report", f"Content-Length: {len(KNOWN[0])}")], [400], closed=True),
    Say("a length in letters", [post(KNOWN[0], "/report", "Content-Length: abc", length=False)], [400], closed=True),
    Say("a negative length", [post(KNOWN[0], "/report", "Content-Length: -5", length=False)], [400], closed=True),
    Say("a list of lengths", [post(b"12345", "/report", "Content-Length: 5, 5", length=False)], [400], closed=True),
    Say("an endless length", [post(b"", "/report", "Content-Length: " + "9" * 40, length=False)], [400], closed=True),
    # Pipelined.
    Say("two at once", [post(KNOWN[0]) + post(KNOWN[1])], [204, 204], {Outcome.ACCEPTED: 2}, 1),
    Say(
        "three at once, one bad",
        [post(KNOWN[0]) + post(b"{") + post(KNOWN[1])],
        [204, 400, 204],
        {Outcome.ACCEPTED: 2, Outcome.UNREADABLE: 1},
        1,
    ),
    Say(
        "the bad one first",
        [post(b"{") + post(KNOWN[1])],
        [400, 204],
        {Outcome.ACCEPTED: 1, Outcome.UNREADABLE: 1},
        1,
    ),
    Say(
        "a question behind", [post(KNOWN[0]) + post(path="/livez", method="GET", length=False)], [204, 200], ACCEPTED, 1
    ),
    Say("a question before", [post(path="/livez", method="GET", length=False) + post(KNOWN[0])], [200, 204], ACCEPTED),
    Say("half of one behind", split(post(KNOWN[0]) + post(KNOWN[1]), -500), [204, 204], {Outcome.ACCEPTED: 2}, 1),
    Say(
        "another one behind a close",
        [post(KNOWN[0], "/report", "Connection: close") + post(KNOWN[1])],
        [204],
        ACCEPTED,
        1,
        closed=True,
    ),
    # What is no HTTP.
    Say("garbage behind", [post(KNOWN[0]) + b"\x00\x01garbage\r\n\r\n"], [400], ACCEPTED, 1, closed=True),
    Say("garbage behind a bad one", [post(b"{") + b"\x00\x01\r\n\r\n"], [400], {Outcome.UNREADABLE: 1}, 1, closed=True),
    Say("a body longer than it says", [post(KNOWN[0]) + b"}}}}\r\n\r\n"], [400], ACCEPTED, 1, closed=True),
    Say("TLS", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"], [400], closed=True),
    Say("a small method", [post(KNOWN[0], method="post")], [400], closed=True),
    Say("a letter that is no ASCII in the path", [post(KNOWN[0], "/report/\xe9")], [400], closed=True),
    Say("a line break in a header", [post(KNOWN[0], "/report", "X-A: 1\r\n folded")], [400], closed=True),
    Say("a space before a colon", [post(KNOWN[0], "/report", "X-A : 1")], [400], closed=True),
    # Senders that go away.
    Say("gone before the answer", [post(KNOWN[0])], [], ACCEPTED, 1, leaves=True),
    Say("gone amid the body", split(post(KNOWN[0]), -99)[:1], [], {Outcome.DISCONNECTED: 1}, leaves=True),
    Say("gone amid the head", split(post(KNOWN[0]), HEAD - 9)[:1], [], leaves=True),
]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Served]]:
    """Return a server that answers in the protocol, and one that lets everything through ASGI; both know a report."""
    with (
        serving(tmp_path_factory.mktemp("protocol"), max_body_bytes=LIMIT) as protocol,
        serving(tmp_path_factory.mktemp("asgi"), max_body_bytes=LIMIT, whole_requests=False) as asgi,
    ):
        for served in (protocol, asgi):
            with served.connect() as connection:
                for number, body in enumerate(KNOWN[:3], 1):
                    connection.send(post(body))
                    connection.await_answers(number)
        assert asgi.in_protocol == []
        yield protocol, asgi


def _hold(served: Served, conversation: Say) -> tuple[bytes, Counter[Outcome], list[object]]:
    """Hold a conversation; return what was told, how the counters moved, and what the collector was given."""
    before, given, told = served.outcomes(), len(served.given), b""
    with served.connect() as connection:
        connection.send(*conversation.parts)
        if conversation.after:
            connection.await_answers(1)
            connection.send(*conversation.after)
        if not conversation.leaves:
            if not conversation.closed:
                connection.await_answers(len(conversation.statuses))
                connection.send(LAST)
            told = connection.read_to_the_end()
    wait_until(lambda: (served.outcomes() - before).total() >= sum(conversation.outcomes.values()))
    return told, served.outcomes() - before, list(served.given[given:])


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda conversation: conversation.name.replace(" ", "-"))
def test_both_ways_answer_and_count_the_same(both: tuple[Served, Served], conversation: Say) -> None:
    protocol, asgi = both
    before = len(protocol.in_protocol)
    expected = [] if conversation.leaves else [*conversation.statuses, *([] if conversation.closed else [200])]
    told, outcomes, given = _hold(asgi, conversation)
    assert statuses_of(told) == expected
    assert outcomes == conversation.outcomes
    assert _hold(protocol, conversation) == (told, outcomes, given)
    assert len(protocol.in_protocol) - before == conversation.in_protocol


def test_the_table_is_long_and_takes_both_ways() -> None:
    assert len(CONVERSATIONS) >= 38
    assert len({conversation.name for conversation in CONVERSATIONS}) == len(CONVERSATIONS)
    assert min(sum(bool(c.in_protocol) is taken for c in CONVERSATIONS) for taken in (True, False)) > 19


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[HeldLog]:
    held = HeldLog(monkeypatch)
    yield held
    held.go.set()


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_report_is_answered_when_it_is_durable_and_not_before(tmp_path: Path, log: HeldLog, loop: str) -> None:
    with serving(tmp_path, options={"loop": loop}) as served, served.connect() as first, served.connect() as second:
        first.send(post(KNOWN[0]))
        assert log.waits.wait(60)
        second.send(post(KNOWN[1]))  # in the batch behind the one that is being written
        wait_until(lambda: len(served.in_protocol) == 2)
        assert first.is_silent(0.3)
        assert second.is_silent(0.3)
        assert served.outcomes().total() == log.appended == 0
        log.go.set()
        assert (first.await_answers(1), second.await_answers(1)) == ([204], [204])
        assert served.outcomes()[Outcome.ACCEPTED] == log.appended == 2


@pytest.mark.parametrize(
    ("kind", "status", "outcome"),
    [
        (FailureKind.DISK_FULL, 503, Outcome.STORE_UNAVAILABLE),
        (FailureKind.LOG_FULL, 503, Outcome.STORE_UNAVAILABLE),
        (FailureKind.FAULT, 500, Outcome.FAULT),
    ],
)
@pytest.mark.parametrize("whole_requests", [True, False])
def test_a_report_that_cannot_be_appended_is_refused(
    tmp_path: Path, log: HeldLog, kind: FailureKind, status: int, outcome: Outcome, whole_requests: bool
) -> None:
    log.failure = NotAppended(kind, "as the test wants it")
    log.go.set()
    with serving(tmp_path, whole_requests=whole_requests) as served, served.connect() as connection:
        connection.send(post(KNOWN[0]))
        assert connection.await_answers(1) == [status]
        assert (b"retry-after: 30\r\n" in connection.told) == (status == 503)
        assert len(served.in_protocol) == whole_requests
        assert +served.outcomes() == {outcome: 1}


def test_who_went_away_while_the_log_was_written_is_counted_once(tmp_path: Path, log: HeldLog) -> None:
    with serving(tmp_path) as served:
        with served.connect() as connection:
            connection.send(post(KNOWN[0]))
            assert log.waits.wait(60)
        wait_until(lambda: not served.server.server_state.connections)
        log.go.set()
        wait_until(lambda: served.outcomes().total() > 0)
        assert +served.outcomes() == {Outcome.ACCEPTED: 1}


@pytest.mark.parametrize("whole_requests", [True, False])
def test_a_shutdown_answers_those_who_wait_and_lets_the_others_go(
    tmp_path: Path, log: HeldLog, whole_requests: bool
) -> None:
    with (
        serving(tmp_path, whole_requests=whole_requests) as served,
        served.connect() as waiting,
        served.connect() as pipelined,
        served.connect() as idle,
    ):
        waiting.send(post(KNOWN[0]))
        pipelined.send(post(KNOWN[1]) + post(KNOWN[2]))
        wait_until(lambda: len(served.given) == 2 and len(served.server.server_state.connections) == 3)
        served.server.should_exit = True
        assert idle.read_to_the_end() == b""
        assert waiting.is_silent(0.3)
        log.go.set()
        assert waiting.read_to_the_end().startswith(b"HTTP/1.1 204 ")
        assert waiting.told.endswith(b"connection: close\r\n\r\n")
        pipelined.read_to_the_end()
        assert statuses_of(pipelined.told) == [204, 204]


def test_a_connection_that_is_quiet_after_its_answer_is_closed(tmp_path: Path) -> None:
    with serving(tmp_path, max_idle_seconds=1) as served, served.connect() as connection:
        connection.send(post(KNOWN[0]))
        assert connection.await_answers(1) == [204]
        connection.send(post(KNOWN[1]))
        connection.read_to_the_end()  # only the server can end this
        assert statuses_of(connection.told) == [204, 204]
        assert len(served.in_protocol) == 2


def test_a_sender_that_does_not_read_its_answers_waits_in_asgi(tmp_path: Path) -> None:
    with serving(tmp_path) as served, served.connect() as connection:
        connection.send(post(KNOWN[0]))
        connection.await_answers(1)
        (protocol,) = served.server.server_state.connections
        assert isinstance(protocol, ReportProtocol)
        protocol.loop.call_soon_threadsafe(protocol.pause_writing)  # as the transport does when its buffer is full
        wait_until(lambda: protocol.flow.write_paused)
        connection.send(post(KNOWN[1]))
        wait_until(lambda: len(served.given) == 2)
        assert connection.is_silent(0.3)
        protocol.loop.call_soon_threadsafe(protocol.resume_writing)
        assert connection.await_answers(2) == [204, 204]
        assert len(served.in_protocol) == 1


def test_a_limit_of_concurrency_holds(tmp_path: Path) -> None:
    with serving(tmp_path, options={"limit_concurrency": 2}) as served, served.connect() as first:
        first.send(post(KNOWN[0]))
        assert first.await_answers(1) == [204]
        with served.connect() as second:
            second.send(post(KNOWN[1]))
            assert second.await_answers(1) == [503]
        assert served.in_protocol == []


def test_with_an_access_log_every_report_is_in_it(tmp_path: Path) -> None:
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("uvicorn.access")
    before = logger.propagate, logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with serving(tmp_path, options={"access_log": True}) as served, served.connect() as connection:
            connection.send(post(KNOWN[0], "/report/web"))
            assert connection.await_answers(1) == [204]
    finally:
        logger.removeHandler(handler)
        logger.propagate, logger.level = before
    assert served.in_protocol == []
    assert [line.partition(" - ")[2] for line in lines] == ['"POST /report/web HTTP/1.1" 204']


def test_with_a_prefix_of_paths_the_paths_below_it_are_asgis(tmp_path: Path) -> None:
    with serving(tmp_path, options={"root_path": "/hpkp"}) as served, served.connect() as connection:
        connection.send(post(KNOWN[0]))
        connection.await_answers(1)
        assert served.in_protocol == []


def test_where_hosts_have_to_be_registered_only_those_that_are_known_are_taken_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, unknown_hosts="reject") as served, served.connect() as connection:
        connection.send(post(KNOWN[0]))
        assert connection.await_answers(1) == [404]
        assert +served.outcomes() == {Outcome.UNKNOWN_HOST: 1}
        assert served.in_protocol == []


@pytest.mark.parametrize("trusted", ["127.0.0.1", "192.0.2.1", "*"])
def test_the_client_is_named_by_trusted_proxies_alone(tmp_path: Path, trusted: str) -> None:
    with serving(tmp_path, options={"forwarded_allow_ips": trusted}) as served, served.connect() as connection:
        for number in (1, 2):
            connection.send(post(KNOWN[0], "/report", "X-Forwarded-For: 203.0.113.7"))
            connection.await_answers(number)
    assert len(served.in_protocol) == 2
    assert {envelope.address for envelope, _ in served.given} == {
        "127.0.0.1" if trusted == "192.0.2.1" else "203.0.113.7"
    }


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(("option", "protocol"), [((), ReportProtocol), (("--no-whole-requests",), LimitedProtocol)])
def test_the_command_serves_with_it_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: str, option: tuple[str, ...], protocol: type
) -> None:
    """Not visible from outside, so the server is not started: its configuration is looked at."""
    found: list[type] = []

    def load(config: uvicorn.Config, *, when_bound: object = None) -> bool:
        handed_over: uvicorn.Config = pickle.loads(pickle.dumps(config)) if config.workers > 1 else config
        handed_over.load()
        found.append(handed_over.http_protocol_class)
        return True

    def load_one(server: uvicorn.Server) -> None:
        server.started = load(server.config)

    monkeypatch.setenv("HPKP_DATABASE_URL", f"sqlite:///{tmp_path}/hpkp.sqlite3")
    monkeypatch.setattr(uvicorn.Server, "run", load_one)
    monkeypatch.setattr(workers_module, "run", load)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(FoldProcess, "__enter__", lambda _: None)
    monkeypatch.setattr(FoldProcess, "__exit__", lambda *_: None)
    result = CliRunner().invoke(cli, ["serve", "--workers", workers, *option])
    assert result.exit_code == 0, result.output
    assert found == [protocol]
