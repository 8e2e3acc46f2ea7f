"""The lines of `hpkp header make --for`: what real servers make of them arrives byte for byte, on every answer."""

import pytest

from app.hpkp.header import PinningHeader
from app.hpkp.pins import Pin
from app.hpkp.servers import ENFORCING, PLACE, REPORT_ONLY, Server, for_server, server_line
from tests.servers.running import KINDS, MALFORMED, NotStarted, Running, running, values_of

PINS = Pin(bytes(range(32))), Pin(bytes(range(32, 64)))
URIS = [
    "https://reports.example.net/report",
    "https://reports.example.net/r?a=1&b=100%25;c=d,e#f",
    "https://reports.example.net/$host/${x}/%{y}e/{z}/`w`/'q'/\"r\"/\\s|<t>^/ä",
    "https://reports.example.net/{http.request.host}/%[src]/$1",
]


def _header(uri: str) -> PinningHeader:
    return PinningHeader(PINS, 5_184_000, True, uri)


@pytest.mark.parametrize("server", KINDS, ids=str)
@pytest.mark.parametrize("uri", URIS)
@pytest.mark.parametrize("report_only", [True, False], ids=["report-only", "enforcing"])
def test_the_field_arrives_byte_for_byte_on_every_answer(server: Server, uri: str, report_only: bool) -> None:
    header = for_server(_header(uri), server)
    wanted, other = (REPORT_ONLY, ENFORCING) if report_only else (ENFORCING, REPORT_ONLY)
    with running(server, server_line(header, server, report_only=report_only)) as started:
        answers = [(200, started.get("/")), (404, started.get("/not-there"))]
        answers += [(status, started.ask(request)) for request, status in KINDS[server].own_errors]
        for expected, (status, fields) in answers:
            assert status == expected
            assert values_of(fields, wanted) == [str(header).encode()], f"on {status}"
            assert values_of(fields, other) == []


@pytest.mark.parametrize(
    ("server", "spoilt"),
    [
        (Server.NGINX, "https://reports.example.net/$host"),
        (Server.NGINX, "https://reports.example.net/it's"),
        (Server.HAPROXY, "https://reports.example.net/it's"),
        (Server.APACHE, "https://reports.example.net/it's"),
        (Server.CADDY, "https://reports.example.net/`w`"),
        (Server.CADDY, "https://reports.example.net/{http.request.host}"),
    ],
)
def test_what_is_not_encoded_for_a_server_would_break_there(server: Server, spoilt: str) -> None:
    """Were nothing encoded, the field would be another, or the server would not start: the encoding is needed."""
    assert for_server(_header(spoilt), server).report_uri != spoilt
    line = server_line(_header(spoilt), server, report_only=True)
    try:
        with running(server, line) as started:
            assert _served(started) != str(_header(spoilt)).encode()
    except NotStarted:
        return


def _served(started: Running) -> bytes:
    _, fields = started.get("/")
    return b"".join(values_of(fields, REPORT_ONLY))


def test_haproxy_answers_malformed_requests_without_the_field() -> None:
    """PLACE says so: what is no request does not reach the rules of the frontend."""
    line = server_line(_header(URIS[0]), Server.HAPROXY, report_only=True)
    with running(Server.HAPROXY, line) as started:
        status, fields = started.ask(MALFORMED)
    assert (status, values_of(fields, REPORT_ONLY)) == (400, [])
    assert "except its 400" in PLACE[Server.HAPROXY]
