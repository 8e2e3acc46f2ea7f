"""Who may see the pages and change things by them: log-ins, what ends them, and forms that come from elsewhere."""

import base64
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import time_machine

from app.api.sessions import COOKIE
from app.store.engine import writing
from app.store.secrets import new_token, revoke_token
from app.usecases.sessions import LIFETIME, LINK_LIFETIME
from app.web.rendering import VISITOR_COOKIE
from tests.support.application import TestClient, from_elsewhere, service_of
from tests.support.reports import HOST, report_body, site
from tests.support.web.markup import read, token_of, words_of

ELSEWHERE = "203.0.113.9"
VIOLATION = "/violations/1"
POLICY = f"/hosts/{HOST}/policy"
FORMS: list[tuple[str, dict[str, str]]] = [
    (VIOLATION, {"status": "resolved", "note": ""}),
    (POLICY, {"action": "save", "pins": site().root.pin}),
    (POLICY, {"action": "withdraw"}),
    (f"/hosts/{HOST}", {"action": "probe"}),
    (f"/hosts/{HOST}", {"action": "canary"}),
]
"""Every form that changes things."""


@pytest.fixture
def service(visitor: TestClient) -> TestClient:
    """Return a client with an admin token, of a service with a host, a policy and a violation."""
    visitor.put(f"/api/v1{POLICY}", json={"pins": [{"sha256": site().root.pin}]})
    visitor.post("/report", content=report_body())
    return visitor


def _token(client: TestClient, scope: str, name: str = "") -> str:
    with writing(service_of(client).engine) as connection:
        return new_token(connection, name or scope, scope)


def _stranger(client: TestClient, **headers: str) -> TestClient:
    return from_elsewhere(client, ELSEWHERE, accept="text/html", **headers)


def _log_in(client: TestClient, text: str, page: str = "/") -> Any:
    token = token_of(client.get("/login"))
    return client.post("/login", data={"form_token": token, "token": text, "next": page})


def _logged_in(client: TestClient, scope: str) -> TestClient:
    other = _stranger(client)
    assert _log_in(other, _token(client, scope)).status_code == 303
    return other


@pytest.mark.parametrize(
    "path", ["/", f"/hosts/{HOST}", POLICY, VIOLATION, "/reports/1", "/rejections", "/upkeep", "/policy?host=x"]
)
def test_a_stranger_is_asked_to_log_in_and_sees_nothing_else(service: TestClient, path: str) -> None:
    page = _stranger(service).get(path)
    assert "Log in" in words_of(page, 401)
    assert f'name="next" value="{path}"' in page.text
    assert HOST not in words_of(page, 401)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", ELSEWHERE])
def test_nobody_is_known_by_where_they_come_from(service: TestClient, address: str) -> None:
    assert "Log in" in words_of(from_elsewhere(service, address, accept="text/html").get("/"), 401)


def test_a_log_in_leads_to_the_page_that_was_asked_for(service: TestClient) -> None:
    stranger = _stranger(service)
    answer = _log_in(stranger, _token(service, "admin", "deploy"), VIOLATION)
    assert (answer.status_code, answer.headers["location"]) == (303, VIOLATION)
    text = words_of(stranger.get(VIOLATION))
    assert "deploy (admin) Log out" in text


@pytest.mark.parametrize(
    "page", ["//evil.example/", "/\\evil.example", "https://evil.example/", "javascript:alert(1)", "", "/a\tb", "\\"]
)
def test_a_log_in_leads_nowhere_else(service: TestClient, page: str) -> None:
    assert _log_in(_stranger(service), _token(service, "read"), page).headers["location"] == "/"


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(
    service: TestClient, scheme: str, *, secure: bool
) -> None:
    stranger = _stranger(service)
    stranger.base_url = httpx.URL(f"{scheme}://reports.example.net")
    cookie = _log_in(stranger, _token(service, "read")).headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/", f"max-age={int(LIFETIME.total_seconds())}"} <= attributes
    assert ("secure" in attributes) == secure


@pytest.mark.parametrize("text", ["", "hpkp_nonsense", "x" * 5000])
def test_an_unknown_token_is_told_beside_the_field(service: TestClient, text: str) -> None:
    page = _log_in(_stranger(service), text, VIOLATION)
    assert "This API token is unknown, revoked or expired." in words_of(page, 422)
    [field] = [attributes for tag, attributes in read(page, 422).tags if attributes.get("id") == "token"]
    assert (field["aria-invalid"], field["aria-describedby"]) == ("true", "token-hint token-mistake")
    assert f'value="{VIOLATION}"' in page.text
    assert COOKIE not in page.cookies


@pytest.mark.both_databases
def test_a_session_ends_with_its_token_and_stays_ended_under_a_new_one_of_its_name(service: TestClient) -> None:
    admin = _logged_in(service, "admin")
    assert admin.get("/").status_code == 200
    with writing(service_of(service).engine) as connection:
        revoke_token(connection, "admin")
    assert admin.get("/").status_code == 401
    _token(service, "admin")
    assert admin.get("/").status_code == 401


def test_a_session_ends_when_its_time_is_over(service: TestClient) -> None:
    admin = _logged_in(service, "admin")
    cookie = admin.cookies[COOKIE]
    start = datetime.now(UTC)
    for later, status in ((LIFETIME - timedelta(minutes=1), 200), (LIFETIME + timedelta(minutes=1), 401)):
        with time_machine.travel(start + later, tick=False):
            fresh = _stranger(service)
            fresh.cookies.set(COOKIE, cookie)
            assert fresh.get("/").status_code == status


def test_logging_out_takes_the_cookie_away(service: TestClient) -> None:
    admin = _logged_in(service, "admin")
    answer = admin.post("/logout", data={"form_token": token_of(admin.get("/"))})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert COOKIE not in admin.cookies
    assert admin.get("/").status_code == 401


@pytest.mark.both_databases
def test_a_log_out_ends_the_session_for_a_copy_of_its_cookie_too(service: TestClient) -> None:
    admin, copy = _logged_in(service, "admin"), _stranger(service)
    copy.cookies.set(COOKIE, admin.cookies[COOKIE])
    assert copy.get("/").status_code == 200
    admin.post("/logout", data={"form_token": token_of(admin.get("/"))})
    assert copy.get("/").status_code == 401


def test_a_session_ends_when_its_token_expires(service: TestClient) -> None:
    start = datetime.now(UTC)
    text = service_of(service).tokens.make("hour", "admin", expires_at=start + timedelta(hours=1))
    stranger = _stranger(service)
    cookie = _log_in(stranger, text).headers["set-cookie"]
    assert 3500 < int(cookie.partition("Max-Age=")[2].partition(";")[0]) <= 3600
    for minutes, status in ((59, 200), (61, 401)):
        with time_machine.travel(start + timedelta(minutes=minutes), tick=False):
            fresh = _stranger(service)
            fresh.cookies.set(COOKIE, stranger.cookies[COOKIE])
            assert fresh.get("/").status_code == status


@pytest.mark.both_databases
def test_a_cookie_that_was_tampered_with_opens_nothing(service: TestClient) -> None:
    cookie = _logged_in(service, "read").cookies[COOKIE]
    for forged in (
        cookie[:-1], cookie[1:], f"{cookie}x", cookie.swapcase(), f"{cookie}.", "....", "a.1.b.c", "é", "\x00",
        "x" * 5000, '""', "%00",
    ):  # fmt: skip
        sent = {b"cookie": f"{COOKIE}={forged}".encode()}
        assert _stranger(service).get("/", headers=sent).status_code == 401, forged


@pytest.mark.both_databases
def test_what_the_store_holds_of_tokens_sessions_and_links_opens_nothing(service: TestClient) -> None:
    """Every value of every row is tried as a token, as a cookie and as a link: as text, hexadecimal and base64."""
    admin = _logged_in(service, "admin")
    link = service_of(service).sessions.make_link(at=datetime.now(UTC)).secret
    held: set[str] = set()
    with service_of(service).engine.connect() as connection:
        for table in ("tokens", "sessions", "login_links", "secrets"):
            for row in connection.exec_driver_sql(f"SELECT * FROM {table}"):
                held |= {form for value in row for form in _forms(value)}
    assert len(held) > 30
    assert not held & {link, admin.cookies[COOKIE]}
    for value in held:
        thief = _stranger(service)
        assert thief.get("/", headers={b"cookie": f"{COOKIE}={value}".encode()}).status_code == 401
        assert thief.get("/", headers={b"authorization": f"Bearer {value}".encode()}).status_code == 401
        assert _redeem(thief, value).status_code in (413, 422)
    assert _redeem(_stranger(service), link).status_code == 303


def _forms(value: object) -> set[str]:
    """Return how a value of the store may be sent."""
    data = bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
    texts = {data.hex(), base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode().rstrip("=")}
    return texts | ({str(value)} if isinstance(value, str) else set())


def test_a_read_session_looks_and_changes_nothing(service: TestClient) -> None:
    reader = _logged_in(service, "read")
    for path in ("/", f"/hosts/{HOST}", POLICY, VIOLATION, "/reports/1", "/rejections"):
        assert reader.get(path).status_code == 200
    token = token_of(reader.get("/"))
    for path, fields in FORMS:
        answer = reader.post(path, data=fields | {"form_token": token})
        assert "admin is needed" in words_of(answer, 403)
    assert service.get("/api/v1/violations/1").json()["status"] == "open"
    for path in (f"/hosts/{HOST}", VIOLATION):
        assert "<textarea" not in reader.get(path).text
        assert 'value="probe"' not in reader.get(path).text


def test_a_read_session_may_still_check_a_policy(service: TestClient) -> None:
    reader = _logged_in(service, "read")
    fields = {"form_token": token_of(reader.get(POLICY)), "action": "check", "mode": "enforce", "pins": site().root.pin}
    assert "The check" in words_of(reader.post(POLICY, data=fields))


def test_an_admin_session_changes_things_by_forms(service: TestClient) -> None:
    admin = _logged_in(service, "admin")
    token = token_of(admin.get(VIOLATION))
    answer = admin.post(VIOLATION, data={"form_token": token, "status": "resolved"})
    assert answer.status_code == 303
    assert service.get("/api/v1/violations/1").json()["status"] == "resolved"


@pytest.mark.parametrize("forged", ["none", "empty", "made up", "another session's", "before the log-in"])
def test_a_form_without_the_token_of_this_session_is_refused(service: TestClient, forged: str) -> None:
    before = _stranger(service)
    early = token_of(before.get("/login"))
    admin, other = _logged_in(service, "admin"), _stranger(service)
    _log_in(other, _token(service, "admin", "other"))
    tokens = {
        "none": {},
        "empty": {"form_token": ""},
        "made up": {"form_token": "0" * 64},
        "another session's": {"form_token": token_of(other.get("/"))},
        "before the log-in": {"form_token": early},
    }
    for path, fields in FORMS:
        answer = admin.post(path, data=fields | tokens[forged])
        assert "This form belongs to another session" in words_of(answer, 403)
    assert service.get("/api/v1/violations/1").json()["status"] == "open"


def test_with_an_api_token_a_form_needs_its_own_token_too(service: TestClient) -> None:
    for path, fields in FORMS:
        assert service.post(path, data=fields).status_code == 403
    service.get("/")
    assert VISITOR_COOKIE in service.cookies
    for path, fields in FORMS:
        assert service.post(path, data=fields).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://["},
        {"origin": "https://evil.example", "sec-fetch-site": "same-origin"},
    ],
)
def test_a_form_that_a_page_of_another_site_sent_is_refused_with_the_right_token_too(
    service: TestClient, headers: dict[str, str]
) -> None:
    fields = {"form_token": token_of(service.get(VIOLATION)), "status": "resolved"}
    assert "Cross-site form rejected." in words_of(service.post(VIOLATION, data=fields, headers=headers), 403)
    assert service.post(VIOLATION, data=fields, headers={"origin": "http://127.0.0.1:8000"}).status_code == 303
    ours = {"origin": "null", "sec-fetch-site": "same-origin"}
    assert service.post(VIOLATION, data=fields, headers=ours).status_code == 303


def test_a_log_in_is_not_made_by_a_form_from_elsewhere(service: TestClient) -> None:
    text = _token(service, "read")
    stranger = _stranger(service)
    assert stranger.post("/login", data={"token": text}).status_code == 403
    fields = {"token": text, "form_token": token_of(stranger.get("/login"))}
    assert stranger.post("/login", data=fields, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert stranger.post("/login", data=fields).status_code == 303


def test_a_form_is_short_and_comes_as_a_form(service: TestClient) -> None:
    text = {"content-type": "text/plain"}
    assert service.post(VIOLATION, content=b"status=open", headers=text).status_code == 415
    assert service.post(VIOLATION, data={"note": "x" * 70_000}).status_code == 413
    assert service.post(VIOLATION, data={str(number): "x" for number in range(60)}).status_code == 422


def test_a_session_reads_the_api_and_changes_nothing_there(service: TestClient) -> None:
    admin = _logged_in(service, "admin")
    assert admin.get("/api/v1/violations/1").status_code == 200
    answer = admin.patch("/api/v1/violations/1", json={"status": "resolved"})
    assert (answer.status_code, answer.json()["detail"]) == (
        403,
        "Browser sessions are read-only on the API; use a token.",
    )


@pytest.mark.parametrize("site_of", ["cross-site", "same-site"])
def test_a_page_of_another_site_changes_nothing_over_the_api(service: TestClient, site_of: str) -> None:
    probe = f"/api/v1/hosts/{HOST}/canary"
    assert service.post(probe, headers={"sec-fetch-site": site_of}).status_code == 403
    assert service.get(f"/hosts/{HOST}", headers={"sec-fetch-site": site_of}).status_code == 200


def test_an_api_token_opens_the_pages_to_a_program(service: TestClient) -> None:
    program = _stranger(service, authorization=f"Bearer {_token(service, 'read')}")
    assert program.get("/").status_code == 200
    unknown = _stranger(service, authorization="Bearer hpkp_nonsense")
    assert "Log in" in words_of(unknown.get("/"), 401)


def test_the_log_in_says_who_is_logged_in_already(service: TestClient) -> None:
    assert "You are logged in as deploy (admin) until" in words_of(_with_session(service, "deploy").get("/login"))
    assert "You are logged in" not in words_of(_stranger(service).get("/login"))


def _with_session(client: TestClient, name: str) -> TestClient:
    other = _stranger(client)
    assert _log_in(other, _token(client, "admin", name)).status_code == 303
    return other


# One-time links


def _redeem(client: TestClient, link: str, page: str = "/") -> Any:
    token = token_of(client.get("/login"))
    return client.post("/login", data={"form_token": token, "link": link, "next": page})


@pytest.mark.both_databases
@pytest.mark.parametrize("scope", ["read", "admin"])
def test_a_link_begins_one_session_and_no_second(service: TestClient, scope: str) -> None:
    link = service_of(service).sessions.make_link(at=datetime.now(UTC), name="Ada", scope=scope).secret
    first, second = _stranger(service), _stranger(service)
    page = first.get(f"/login?link={link}")
    assert "This log-in link works once." in words_of(page)
    fields = {"form_token": token_of(page), "link": link, "next": "/"}
    answer = first.post("/login", data=fields)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert f"Ada ({scope}) Log out" in words_of(first.get("/"))
    assert "This log-in link is unknown, used or expired." in words_of(_redeem(second, link), 422)
    assert second.get("/").status_code == 401


def test_of_many_who_use_a_link_at_once_one_is_logged_in(service: TestClient) -> None:
    sessions, at = service_of(service).sessions, datetime.now(UTC)
    for _ in range(10):
        link = sessions.make_link(at=at).secret
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _, link=link: sessions.redeem_link(link, at=at), range(8)))
        assert sum(session is not None for session in found) == 1


def test_looking_at_the_address_of_a_link_does_not_use_it(service: TestClient) -> None:
    link = service_of(service).sessions.make_link(at=datetime.now(UTC)).secret
    for _ in range(3):
        assert COOKIE not in _stranger(service).get(f"/login?link={link}").cookies
        _stranger(service).head(f"/login?link={link}")
    assert _redeem(_stranger(service), link).status_code == 303


def test_a_link_is_over_after_a_quarter_of_an_hour(service: TestClient) -> None:
    assert timedelta(minutes=15) == LINK_LIFETIME
    start = datetime.now(UTC)
    for minutes, status in ((14.9, 303), (15, 422), (600, 422)):
        link = service_of(service).sessions.make_link(at=start).secret
        with time_machine.travel(start + timedelta(minutes=minutes), tick=False):
            assert _redeem(_stranger(service), link).status_code == status


def test_a_link_is_no_cookie_and_no_token(service: TestClient) -> None:
    link = service_of(service).sessions.make_link(at=datetime.now(UTC)).secret
    thief = _stranger(service)
    assert thief.get("/", headers={b"cookie": f"{COOKIE}={link}".encode()}).status_code == 401
    assert thief.get("/", headers={b"authorization": f"Bearer {link}".encode()}).status_code == 401


def test_ending_all_sessions_ends_those_of_links_and_of_tokens_and_unused_links(service: TestClient) -> None:
    sessions = service_of(service).sessions
    by_token, by_link = _logged_in(service, "read"), _stranger(service)
    _redeem(by_link, sessions.make_link(at=datetime.now(UTC)).secret)
    unused = sessions.make_link(at=datetime.now(UTC)).secret
    assert sessions.end_all() == 2
    assert [client.get("/").status_code for client in (by_token, by_link)] == [401, 401]
    assert _redeem(_stranger(service), unused).status_code == 422


@pytest.mark.parametrize("link", ["", "x", "x" * 201, "é", "\x00", "<script>", "' OR 1=1 --"])
def test_an_unknown_link_logs_nobody_in(service: TestClient, link: str) -> None:
    stranger = _stranger(service)
    assert stranger.get("/login", params={"link": link}).status_code in (200, 422)
    assert _redeem(stranger, link).status_code == 422
    assert COOKIE not in stranger.cookies
