"""Which clients never report, by their own names for themselves."""

import pytest

from app.hpkp.user_agents.reporting import never_reports

_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_13_6)"
_PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X)"
_KHTML = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize("version", [46, 60, 71])
def test_chromium_reported_for_a_while(version: int) -> None:
    assert not never_reports(f"{_WINDOWS} {_KHTML} Chrome/{version}.0.3578.98 Safari/537.36")
    assert not never_reports(f"{_MAC} {_KHTML} Ubuntu Chromium/{version}.0 Chrome/{version}.0 Safari/537.36")


@pytest.mark.parametrize(
    "user_agent",
    [
        f"{_WINDOWS} {_KHTML} Chrome/45.0.2454.101 Safari/537.36",
        f"{_WINDOWS} {_KHTML} Chrome/72.0.3626.81 Safari/537.36",
        f"{_WINDOWS} {_KHTML} Chrome/140.0.0.0 Safari/537.36",
        f"{_WINDOWS} {_KHTML} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
        f"{_WINDOWS} {_KHTML} Chrome/64.0.3282.140 Safari/537.36 Edge/17.17134",
        "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
        f"{_MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
        f"{_PHONE} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
        f"{_PHONE} AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/69.0.3497.105 Mobile/15E148 Safari/605.1",
        f"Mozilla/5.0 (Linux; Android 8.0.0; SM; wv) {_KHTML} Version/4.0 Chrome/69.0.3497.100 Safari/537.36",
        f"{_WINDOWS} {_KHTML} HeadlessChrome/69.0.3497.100 Safari/537.36",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko",
        "curl/8.5.0",
        "python-requests/2.31.0",
    ],
)
def test_others_are_known_never_to_report(user_agent: str) -> None:
    assert never_reports(user_agent)


@pytest.mark.parametrize(
    "user_agent",
    [
        "",
        "-",
        "Shop/4.2 CFNetwork/1494.0.7 Darwin/23.4.0",
        "okhttp/4.12.0",
        "Go-http-client/1.1",
        "Mozilla/5.0",
        "Robotics/1",
    ],
)
def test_an_unknown_name_may_be_that_of_a_sender(user_agent: str) -> None:
    assert not never_reports(user_agent)
