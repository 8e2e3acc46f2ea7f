"""The pages in a real Chromium: with and without JavaScript, by keyboard, for assistive technology, attacked.

One browser for all of these tests; every test has a profile of its own. Whatever a page asks for elsewhere, and every
complaint of the browser, fails the test.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from app.api.sessions import COOKIE
from app.cli.token import login_address
from app.hpkp.judgement.causes import CAUSES, Cause
from app.main import create_app
from app.service import Service, now
from app.store.engine import writing
from app.store.secrets import new_token, revoke_token
from tests.support.admin import session_cookie
from tests.support.application import settings_for
from tests.support.browser import chromium
from tests.support.web.screenshots import pictures, take
from tests.support.web.stock import HOST, HOSTILE_HOST, fill, roots_file, sample_site
from tests.support.web_server import served

PAGES = (
    "/", f"/hosts/{HOST}", f"/hosts/{HOST}/history", f"/hosts/{HOST}/policy", "/violations/1", "/reports/1",
    "/rejections", "/upkeep", "/login", "/docs", "/nothing-here", f"/hosts/{HOSTILE_HOST}", "/violations/hostile",
    "/violations", "/violations?impact=blocks&since=2026-01-01&merge=no", f"/hosts/{HOST}/delete",
    "/?q=example&sort=name",
)  # fmt: skip
WIDTHS = (360, 390, 768, 1024, 1280, 1440, 1600, 1920)


@dataclass(frozen=True)
class Site:
    """A service with a filled store, behind a socket."""

    url: str
    service: Service
    session: str
    """The cookie of a log-in of scope admin."""

    def path(self, page: str) -> str:
        """Return the path of a page; the number of the hostile violation is not known before."""
        return f"{self.url}{page}".replace("/violations/hostile", f"/violations/{self._last_violation()}")

    def _last_violation(self) -> int:
        with self.service.engine.connect() as connection:
            return int(connection.exec_driver_sql("SELECT max(id) FROM violations").scalar_one())


@dataclass
class Visit:
    """A tab of a fresh profile, and what went wrong in it."""

    page: Page
    site: Site
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    expected_statuses: set[int] = field(default_factory=set)

    def open(self, path: str) -> Page:
        """Open a page of the service."""
        self.page.goto(self.site.path(path))
        return self.page

    def faults(self) -> list[str]:
        """Return what the browser complained of, and addresses that are not the service's."""
        elsewhere = [url for url in self.asked if not url.startswith(f"{self.site.url}/")]
        answered = tuple(f"the server responded with a status of {status} " for status in self.expected_statuses)
        return elsewhere + [text for text in self.complaints if not any(status in text for status in answered)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory: Path = tmp_path_factory.mktemp("site")
    app = create_app(settings_for(directory, trust_anchors=roots_file(directory)))
    with served(app) as url:
        fill(app.state.service, at=now())
        yield Site(url, app.state.service, session_cookie(app.state.service.engine))


Visiting = Callable[..., AbstractContextManager[Visit]]


@pytest.fixture
def visiting(browser: Browser, site: Site) -> Visiting:
    """Return what opens a tab, logged in unless it should not be; leaving it fails where anything went wrong."""

    @contextmanager
    def opened(*, statuses: tuple[int, ...] = (), logged_in: bool = True, **options: Any) -> Iterator[Visit]:
        context = browser.new_context(**options)
        try:
            if logged_in:
                context.add_cookies([{"name": COOKIE, "value": site.session, "url": site.url}])
            visit = Visit(context.new_page(), site, expected_statuses=set(statuses))
            visit.page.on("request", lambda request: visit.asked.append(request.url))
            visit.page.on("console", lambda message: visit.complaints.append(message.text))
            visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
            yield visit
            assert visit.faults() == []
        finally:
            context.close()

    return opened


@pytest.fixture
def visit(visiting: Visiting) -> Iterator[Visit]:
    """Return a tab with JavaScript switched off, logged in."""
    with visiting(java_script_enabled=False) as opened:
        yield opened


@pytest.fixture
def token(site: Site, request: pytest.FixtureRequest) -> str:
    """Return an API token of scope admin."""
    with writing(site.service.engine) as connection:
        return new_token(connection, request.node.name[:100], "admin")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_asks_for_nothing_elsewhere_and_breaks_none_of_its_own_rules(visiting: Visiting, path: str) -> None:
    with visiting(statuses=(404,) if path == "/nothing-here" else ()) as visit:
        visit.open(path).wait_for_load_state("networkidle")
        assert len(visit.asked) >= 3 + (path != "/docs")  # page, style, icon, and the script


def test_what_breaks_the_rules_of_a_page_is_noticed(visiting: Visiting, browser: Browser) -> None:
    with ExitStack() as stack:
        visit = stack.enter_context(visiting())
        page = visit.open("/")
        page.evaluate("document.body.innerHTML = '<img src=https://evil.example/x><p style=color:red onclick=x()>'")
        page.evaluate("const s = document.createElement('script'); s.text = 'alert(1)'; document.body.append(s)")
        page.wait_for_timeout(200)
        found = " ".join(visit.faults())
        assert "img-src" in found
        assert "style-src" in found
        assert "script-src" in found
        visit.complaints.clear()
        visit.asked.clear()


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_a_page_has_no_fault_that_an_automatic_check_of_accessibility_finds(
    visiting: Visiting, path: str, scheme: str, width: int
) -> None:
    statuses = (404,) if path == "/nothing-here" else ()
    with visiting(statuses=statuses, color_scheme=scheme, viewport={"width": width, "height": 900}) as visit:
        page = visit.open(path)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert _axe_violations(page) == []


def _axe_violations(page: Page) -> list[str]:
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text())
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    result = page.evaluate("tags => axe.run({runOnly: tags, resultTypes: ['violations']})", tags)
    assert len(result["passes"]) > 10
    return [f"{found['id']}: {node['html'][:200]}" for found in result["violations"] for node in found["nodes"]]


def test_the_check_of_accessibility_finds_faults(visiting: Visiting) -> None:
    with visiting() as visit:
        page = visit.open("/")
        page.evaluate("document.querySelector('main').innerHTML = '<input><h4>x</h4><img src=/static/icon.svg>'")
        found = " ".join(_axe_violations(page))
        assert "label:" in found
        assert "image-alt:" in found


@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_every_width(visiting: Visiting, path: str) -> None:
    with visiting(statuses=(404,) if path == "/nothing-here" else ()) as visit:
        page = visit.open(path)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, width


_BOXES = """() => [...document.querySelectorAll('main :is(input, select, textarea, button, .button, .chip, .badge)')]
    .filter(one => one.checkVisibility() && one.type !== 'hidden')
    .map(one => { const box = one.getBoundingClientRect();
                  return [one.outerHTML.slice(0, 80), box.left, box.top, box.right, box.bottom]; })"""


def _overlaps(page: Page) -> list[tuple[str, str]]:
    """Return pairs of fields, buttons and badges that cover a part of each other."""
    boxes = page.evaluate(_BOXES)
    return [
        (one, other)
        for place, (one, left, top, right, bottom) in enumerate(boxes)
        for other, left2, top2, right2, bottom2 in boxes[place + 1 :]
        if min(right, right2) - max(left, left2) > 1 and min(bottom, bottom2) - max(top, top2) > 1
    ]


@pytest.mark.parametrize("path", ["/", "/violations", f"/hosts/{HOST}", f"/hosts/{HOST}/policy", "/violations/1"])
def test_no_field_or_button_covers_another_at_any_width(visiting: Visiting, path: str) -> None:
    with visiting() as visit:
        page = visit.open(path)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert _overlaps(page) == [], width


def test_an_overlap_is_noticed(visiting: Visiting) -> None:
    with visiting() as visit:
        page = visit.open("/violations")
        page.evaluate("document.querySelector('#q').style.marginRight = '-60px'")
        assert _overlaps(page)


def test_the_script_copies_a_pin_and_a_certificate(visiting: Visiting) -> None:
    with visiting(permissions=["clipboard-read", "clipboard-write"]) as visit:
        page = _open_violation(visit, "other_trust_path")
        page.get_by_role("button", name="Copy pin").first.click()
        expect(page.get_by_role("button", name="Copy pin").first).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == str(sample_site().leaf.pin)
        page.locator("summary", has_text=re.compile("^PEM$")).first.click()
        page.get_by_role("button", name="Copy PEM").first.click()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith("-----BEGIN CERTIFICATE-----\n")
        assert copied.endswith("-----END CERTIFICATE-----")


def test_the_script_shows_local_time_next_to_utc_and_keeps_the_choice(visiting: Visiting) -> None:
    with visiting(timezone_id="Asia/Tokyo", locale="en-GB") as visit:
        page = visit.open("/violations/1")
        time = page.locator("time").first
        expect(time).to_have_text(re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d UTC$"))
        page.get_by_role("button", name="Show times in Asia/Tokyo too").click()
        expect(time).to_have_text(re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d UTC \(.*:\d\d Asia/Tokyo\)$"))
        utc, local = re.findall(r"(\d\d):(\d\d)", time.inner_text())
        assert (int(local[0]) * 60 + int(local[1]) - int(utc[0]) * 60 - int(utc[1])) % 1440 == 540
        visit.open("/rejections")
        expect(page.locator("main time .local").first).to_be_visible()
        page.get_by_role("button", name="Show UTC only").click()
        expect(page.locator("time .local")).to_have_count(0)


def test_the_script_sorts_a_table_by_its_numbers(visiting: Visiting) -> None:
    with visiting() as visit:
        page = visit.open(f"/hosts/{HOST}")
        page.locator("summary", has_text="Exposure by day").click()
        table = page.locator("table", has_text="Exposure by day, newest first")
        head = table.get_by_role("button", name="Day (UTC)")
        head.click()
        days = table.locator("tbody th").all_inner_texts()
        assert days == sorted(days)
        expect(table.locator("th[aria-sort]")).to_have_attribute("aria-sort", "ascending")
        head.click()
        assert table.locator("tbody th").all_inner_texts() == sorted(days, reverse=True)


def test_many_violations_are_changed_without_javascript(visit: Visit) -> None:
    page = visit.open("/violations?cause=no_evidence")
    page.locator('input[name="chosen"]').first.check()
    page.get_by_role("button", name="Change status of selected rows").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Change 1 violation")
    page.get_by_role("radio", name=re.compile("^acknowledged")).check()
    page.get_by_role("button", name="Change 1 violation").click()
    expect(page.get_by_role("status")).to_have_text("1 violation changed.")
    expect(page.locator("table.violations tbody .status")).to_have_text("acknowledged")


def test_the_script_selects_every_row(visiting: Visiting) -> None:
    with visiting() as visit:
        page = visit.open("/violations")
        page.get_by_label("Select every row of this page").check()
        boxes = page.locator('input[name="chosen"]')
        assert boxes.count() > 3
        assert all(box.is_checked() for box in boxes.all())


def test_a_failure_is_not_shown_as_a_success(visiting: Visiting) -> None:
    with visiting() as visit:
        page = visit.open(f"/hosts/{HOST}?done=probe")
        notice = page.get_by_role("status")
        expect(notice).to_contain_text("Probe failed: connection refused")
        color = notice.evaluate("one => getComputedStyle(one).color")
        bad = page.evaluate("getComputedStyle(document.querySelector('.verdict.not_ready > h2')).color")
        assert color == bad


_FOCUSABLE = """() => [...document.querySelectorAll(
    'a[href], button:not([disabled]), input:not([type=hidden]), select, textarea, summary, [tabindex="0"]')]
    .filter(one => one.checkVisibility() && !(one.type === 'radio' && !one.checked))
    .map((one, place) => one.dataset.place = place).length"""
_FOCUSED = """() => { const one = document.activeElement, style = getComputedStyle(one);
    return [one.dataset.place ?? null, style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2]; }"""


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/violations",
        f"/hosts/{HOST}",
        f"/hosts/{HOST}/policy",
        f"/hosts/{HOST}/delete",
        "/violations/1",
        "/rejections",
        "/upkeep",
        "/login",
    ],
)
def test_the_keyboard_reaches_everything_in_its_order_with_a_focus_that_is_seen(visiting: Visiting, path: str) -> None:
    with visiting() as visit:
        page = visit.open(path)
        page.evaluate("document.activeElement.blur()")
        count = page.evaluate(_FOCUSABLE)
        reached: list[int] = []
        for _ in range(3 * count + 20):
            page.keyboard.press("Tab")
            place, seen = page.evaluate(_FOCUSED)
            if place is not None:
                assert seen, page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
                if [int(place)] == reached[-1:]:
                    continue  # a field for a moment has several stops
                if int(place) in reached:
                    break
                reached.append(int(place))
        start = reached.index(0)
        assert reached[start:] + reached[:start] == list(range(count))


def test_the_first_stop_of_the_keyboard_leads_past_the_navigation(visiting: Visiting) -> None:
    with visiting() as visit:
        page = visit.open("/")
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_text("Skip to the content")
        expect(page.locator(":focus")).to_be_in_viewport()
        page.keyboard.press("Enter")
        expect(page.locator("#content")).to_be_focused()


def test_landmarks_headings_and_tables_tell_their_structure(visit: Visit) -> None:
    page = visit.open(f"/hosts/{HOST}")
    for landmark in (page.get_by_role("banner"), page.get_by_role("main"), page.get_by_role("contentinfo")):
        expect(landmark).to_have_count(1)
    expect(page.get_by_role("navigation", name="Main")).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_text(HOST)
    expect(page.get_by_role("heading", level=2).first).to_contain_text("Not ready")
    table = page.get_by_role("table", name=re.compile("^Rows 1 to 7 of 7: 7 violations"))
    expect(table.get_by_role("columnheader")).to_have_count(9)
    expect(table.get_by_role("rowheader")).to_have_count(7)
    expect(
        page.get_by_role("img", name=re.compile(f"^{CAUSES[Cause.OTHER_TRUST_PATH].title}: 10 reports, most on 20"))
    ).to_have_count(1)


def test_colours_are_never_all_that_tells_a_verdict(visit: Visit) -> None:
    page = visit.open(f"/hosts/{HOST}")
    for finding in page.locator(".finding").all():
        word = re.compile(r"^\s*(blocker|missing evidence|warning|info)\s*$")
        expect(finding.locator(".badge").first).to_have_text(word)
        expect(finding.locator(".badge svg").first).to_have_count(1)


def test_the_first_screen_says_whether_to_enforce_and_what_to_do_first(visiting: Visiting) -> None:
    for width, height in ((1280, 800), (390, 844)):
        with visiting(java_script_enabled=False, viewport={"width": width, "height": height}) as visit:
            page = visit.open(f"/hosts/{HOST}")
            for text in ("Not ready", "What to do", "Pin a key that is on every path"):
                expect(page.get_by_text(text).first).to_be_in_viewport()


def test_a_filter_makes_an_address_that_shows_the_same_to_others(visit: Visit, visiting: Visiting) -> None:
    page = visit.open(f"/hosts/{HOST}")
    page.locator("summary", has_text=re.compile("^Filters")).click()
    page.get_by_label("Cause", exact=True).select_option("private_root")
    page.get_by_label("App", exact=True).fill("com.example.shop")
    page.get_by_label("Since (UTC)").fill(f"{now():%Y}-01-01T00:00")
    page.get_by_role("button", name="Apply filter").click()
    assert {"cause=private_root", "app=com.example.shop"} <= set(re.split("[?&#]", page.url))
    rows = page.locator("table.violations tbody tr")
    expect(rows).to_have_count(1)
    with visiting(java_script_enabled=False) as other:
        shared = other.open(page.url.removeprefix(visit.site.url))
        expect(shared.locator("table.violations tbody tr")).to_have_count(1)
        expect(shared.get_by_label("Cause", exact=True)).to_have_value("private_root")
        shared.get_by_role("link", name="Clear filter").click()
        expect(shared.locator("table.violations tbody tr")).to_have_count(7)


def _open_violation(visit: Visit, cause: str) -> Page:
    page = visit.open(f"/hosts/{HOST}?cause={cause}")
    page.locator("table.violations tbody th a.title").first.click()
    return page


def test_chains_stand_side_by_side_where_there_is_room_and_stacked_where_not(visiting: Visiting) -> None:
    with visiting() as visit:
        page = _open_violation(visit, "other_trust_path")
        for width, side_by_side in ((1280, True), (390, False)):
            page.set_viewport_size({"width": width, "height": 900})
            served, validated = (page.locator(f"#chain-{which}").bounding_box() for which in ("served", "validated"))
            assert served is not None
            assert validated is not None
            assert (served["y"] == validated["y"]) == side_by_side
        failing = page.locator("[aria-labelledby=chain-validated] .failing")
        expect(failing).to_have_count(1)
        expect(failing).to_contain_text("Start here")


def test_a_pin_is_selected_whole_by_a_click(visiting: Visiting) -> None:
    with visiting() as visit:
        page = _open_violation(visit, "other_trust_path")
        page.locator(".certificate code.pin").first.click()
        assert page.evaluate("getSelection().toString()") == str(sample_site().leaf.pin)


def test_pem_and_raw_report_are_downloads(visit: Visit) -> None:
    page = _open_violation(visit, "other_trust_path")
    with page.expect_download() as pem:
        page.get_by_role("link", name="Download PEM").first.click()
    assert pem.value.path().read_text().startswith("-----BEGIN CERTIFICATE-----")
    page.locator("summary", has_text="Stored reports").click()
    page.get_by_role("link", name=re.compile("^report ")).last.click()
    with page.expect_download() as raw:
        page.get_by_role("link", name="Download it").click()
    assert f'"hostname":"{HOST}"' in raw.value.path().read_text().replace(" ", "")


def test_status_and_note_are_edited_without_javascript(visit: Visit) -> None:
    page = _open_violation(visit, "clock")
    page.get_by_role("radio", name=re.compile("^ignored")).check()
    page.get_by_label("Note").fill("a proxy's clock\n\u202e<b>")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Status and note are saved.")
    expect(page.get_by_role("radio", name=re.compile("^ignored"))).to_be_checked()
    expect(page.get_by_label("Note")).to_have_value("a proxy's clock\n\u202e<b>")
    page.reload()
    page.get_by_role("radio", name=re.compile("^open")).check()
    page.get_by_role("button", name="Save").click()


def test_a_policy_is_checked_mended_and_saved_without_javascript(visiting: Visiting) -> None:
    with visiting(java_script_enabled=False, statuses=(422,)) as visit:
        page = visit.open("/")
        page.get_by_label("Add a host").fill("New.Example.COM")
        page.get_by_role("button", name="Set policy").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Policy of new.example.com")
        page.get_by_label("Pins", exact=True).fill("nonsense")
        page.get_by_label("Max-age in seconds").fill("300")
        page.get_by_role("button", name="Check").click()
        expect(page.get_by_role("alert")).to_contain_text("Invalid policy")
        page.get_by_role("alert").get_by_role("link", name="Pins").click()
        expect(page.get_by_label("Pins", exact=True)).to_have_value("nonsense")
        expect(page.get_by_label("Pins", exact=True)).to_have_attribute("aria-invalid", "true")
        site = sample_site()
        page.get_by_label("Pins", exact=True).fill(f"{site.old_root.pin} root\n{site.backup} backup")
        page.get_by_label("Report-uri").fill("https://reports.example.net/report")
        page.get_by_role("button", name="Check").click()
        expect(page.get_by_text("No problems found.")).to_be_visible()
        expect(page.locator(".command").first).to_contain_text(f'pin-sha256="{site.old_root.pin}"')
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status")).to_contain_text("Policy saved")
        expect(page.get_by_role("heading", level=2).first).to_contain_text("Not enough data")


def test_enter_in_a_field_of_the_policy_checks_and_does_not_save(visiting: Visiting) -> None:
    with visiting() as visit:
        page = visit.open(f"/hosts/{HOST}/policy")
        page.get_by_label("Max-age in seconds").press("Enter")
        expect(page.get_by_role("heading", name="The check")).to_be_visible()


def test_what_if_is_told_before_saving(visit: Visit) -> None:
    page = visit.open(f"/hosts/{HOST}/policy")
    site = sample_site()
    page.get_by_label("Pins", exact=True).fill(
        f"{site.leaf.pin} leaf\n{site.new_root.pin} new root\n{site.backup} backup"
    )
    page.get_by_role("button", name="Check").click()
    table = page.get_by_role("table", name=re.compile("^Open violations of the last 90 days"))
    expect(table.get_by_role("row", name=re.compile("no longer locked out 2 20"))).to_have_count(1)


def test_a_stranger_logs_in_works_and_logs_out(visiting: Visiting, token: str) -> None:
    with visiting(java_script_enabled=False, logged_in=False, statuses=(401, 422)) as visit:
        page = visit.open(f"/hosts/{HOST}?cause=clock")
        page.get_by_label("API token").fill("hpkp_wrong")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_text("This API token is unknown, revoked or expired.")).to_be_visible()
        page.get_by_label("API token").fill(token)
        page.get_by_role("button", name="Log in").click()
        assert page.url.endswith(f"/hosts/{HOST}?cause=clock")
        page.locator("table.violations tbody th a.title").first.click()
        page.get_by_label("Note").fill("by a log-in")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status")).to_have_text("Status and note are saved.")
        cookie = next(one for one in page.context.cookies() if one["name"] == "hpkp_session")
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
        visit.open("/")
        expect(page.get_by_label("API token")).to_be_visible()


def test_a_revoked_token_ends_its_sessions(visiting: Visiting, token: str, request: pytest.FixtureRequest) -> None:
    with visiting(logged_in=False, statuses=(401,)) as visit:
        page = visit.open("/")
        page.get_by_label("API token").fill(token)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Hosts")
        with writing(visit.site.service.engine) as connection:
            revoke_token(connection, request.node.name[:100])
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_have_text("Log in")


@pytest.mark.parametrize("logged_in", [False, True])
def test_a_page_of_another_site_can_neither_send_a_form_nor_frame_a_page(
    visiting: Visiting, token: str, *, logged_in: bool
) -> None:
    with visiting(statuses=(401, 403), logged_in=False) as visit:
        page = visit.open("/login")
        if logged_in:
            page.get_by_label("API token").fill(token)
            page.get_by_role("button", name="Log in").click()
        form = (
            f'<form method="post" action="{visit.site.url}/violations/1"><input name="status" value="resolved"></form>'
        )
        frame = f'<iframe src="{visit.site.url}/violations/1"></iframe>'
        page.context.route(
            "http://evil.example/**",
            lambda route: route.fulfill(body=f"<h1>evil</h1>{form}{frame}", content_type="text/html"),
        )
        page.goto("http://evil.example/")
        page.wait_for_timeout(300)
        assert [one.url for one in page.frames[1:]] == ["chrome-error://chromewebdata/"]
        with page.expect_navigation():
            page.evaluate("document.forms[0].submit()")
        assert page.url == f"{visit.site.url}/violations/1"
        expect(page.get_by_role("heading", level=1)).not_to_contain_text("violation 1")
        visit.asked[:] = [url for url in visit.asked if "evil.example" not in url]
        visit.complaints[:] = [text for text in visit.complaints if "frame-ancestors" not in text]
        with visit.site.service.engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT status FROM violations WHERE id = 1").scalar_one() == "open"


@pytest.mark.parametrize("path", ["/", f"/hosts/{HOSTILE_HOST}", "/violations/hostile", "/rejections"])
def test_what_strangers_wrote_runs_nothing_and_stays_in_its_place(visiting: Visiting, path: str) -> None:
    with visiting(viewport={"width": 390, "height": 900}) as visit:
        page = visit.open(path)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert "owned" not in page.title()
        assert (
            page.evaluate(
                "document.querySelectorAll('script:not([src^=\"/static/app.js?\"]), img:not(.brand img)').length"
            )
            == 0
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        heights = page.evaluate("[...document.querySelectorAll('.claimed')].map(one => one.offsetHeight)")
        assert max(heights, default=0) < 1500


def test_the_pictures_of_the_documents_can_be_taken_again(browser: Browser, site: Site, tmp_path: Path) -> None:
    for picture in pictures(violation=1):
        take(browser, site.url, picture, tmp_path, session=site.session)
    taken = {path.stem: path.read_bytes() for path in tmp_path.iterdir()}
    assert taken.keys() == {picture.name for picture in pictures(violation=1)}
    assert {content[:4] for content in taken.values()} == {b"\x89PNG"}
    assert all(10_000 < len(content) < 200_000 for content in taken.values())


def test_the_first_run_page_is_left_by_what_it_says(browser: Browser, tmp_path: Path) -> None:
    app = create_app(settings_for(tmp_path))
    with served(app) as url:
        page = browser.new_context(java_script_enabled=False).new_page()
        link = app.state.service.sessions.make_link(at=now()).secret
        page.goto(login_address(url, link))
        page.get_by_role("button", name="Log in").click()
        assert page.url == f"{url}/"
        expect(page.get_by_role("heading", level=1)).to_have_text("Get started")
        page.get_by_label("Host").fill("www.example.com")
        page.get_by_role("button", name="Set policy").click()
        site = sample_site()
        page.get_by_label("Pins", exact=True).fill(f"{site.old_root.pin}\n{site.backup}")
        page.get_by_label("Report-uri").fill("https://reports.example.net/report")
        page.get_by_role("button", name="Save").click()
        page.get_by_role("link", name="Hosts").click()
        expect(page.locator("table.hosts tbody th a").first).to_have_text("www.example.com")
        page.context.close()
