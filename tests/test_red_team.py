"""What may mislead the verdict, played over HTTP and TLS on a rollout that is `ready`; each with the right answer."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.demo.rollout import Keys, RunProbe, Send, Serve, SetPolicy
from app.hpkp.header.lint import Subject, lint_header
from app.hpkp.hosts import Host
from app.hpkp.pins import Pin
from app.hpkp.policy import ExpectedPin, Mode
from app.hpkp.probe_result import Endpoint, Probe, keep_last_seen
from app.hpkp.readiness import ReadinessInput, Thresholds, assess_readiness
from app.hpkp.report import Sender
from app.hpkp.report_uri import ReportUriFault, check_report_uri
from tests.hpkp.test_readiness import BACKUP, GOOD, LIVE, POLICY, live_host
from tests.support.authority import NOW
from tests.support.red_team import RedTeam, network, red_team
from tests.support.tls_server import resolve
from tests.test_scenarios import HOST, START

REFUSED = {"reports_refused"}


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedTeam]:
    """Return a rollout that is `ready`."""
    with red_team(tmp_path, monkeypatch) as team:
        assert team.decisive() == ("ready", set())
        yield team


def _unpinned(keys: Keys, clients: int = 1, *, sender: Sender = Sender.CHROMIUM, forged: bool = False) -> Send:
    """Let clients meet a key of another, unpinned kind: its chain leads to a root that they trust."""
    known = keys.leaf[0].pin, keys.backup
    return Send(keys.renewed, (*keys.renewed, keys.old_root), known, clients, sender, forged=forged)


def _send_cut_short(team: RedTeam, networks: range, *, clients: int = 1) -> None:
    """Post reports of which a proxy let nothing pass but the beginning."""
    whole = team.body(_unpinned(team.keys))
    for number in networks:
        for _ in range(clients):
            team.post(whole[: len(whole) // 3], address=network(number), status=400)


def test_reports_that_a_proxy_cuts_short_withhold_until_a_decision_and_again_beyond_it(team: RedTeam) -> None:
    _send_cut_short(team, range(50), clients=2)
    assert team.decisive() == ("not_enough_data", REFUSED)
    finding = team.finding("reports_refused")
    assert finding is not None
    assert finding["evidence"]["reports"] == 100
    assert finding["evidence"]["networks"] == 50
    assert finding["evidence"]["reasons"] == {"unreadable": 100}
    assert "hpkp refusals www.example.com --set ignored" in finding["fix"]

    path = "/api/v1/hosts/www.example.com/refusals"
    answer = team.driver.client.put(path, json={"status": "ignored", "note": "an old proxy"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["decision"] | {"at": None} == {
        "at": None, "networks": 50, "holds_up_to": 150, "note": "an old proxy",
    }  # fmt: skip
    assert team.decisive() == ("ready", set())
    assert team.finding("refused_left_out") is not None

    _send_cut_short(team, range(50), clients=20)  # more of the same senders
    assert team.verdict() == "ready"
    _send_cut_short(team, range(50, 153))
    assert team.decisive() == ("not_enough_data", REFUSED)
    again = team.finding("reports_refused")
    assert again is not None
    assert "applies up to 150" in again["message"]

    assert team.driver.client.put(path, json={"status": "ignored"}).status_code == 200
    assert team.verdict() == "ready"
    assert team.driver.client.put(path, json={"status": "open"}).status_code == 200
    assert team.decisive() == ("not_enough_data", REFUSED)


def test_time_ends_what_was_refused(team: RedTeam) -> None:
    _send_cut_short(team, range(3))
    assert team.decisive() == ("not_enough_data", REFUSED)
    team.next_day(13)
    assert team.decisive() == ("not_enough_data", REFUSED)
    team.next_day(2)
    assert team.decisive() == ("ready", set())


def test_a_flood_of_one_byte_requests_pushes_no_refusal_out(team: RedTeam) -> None:
    _send_cut_short(team, range(5))
    for _ in range(1100):
        team.post(b"x", address="203.0.113.9", status=400)
    assert all("www.example.com" not in item["sample"] for item in team.get("/rejections", limit="500")["items"])
    assert team.decisive() == ("not_enough_data", REFUSED)
    finding = team.finding("reports_refused")
    assert finding is not None
    assert finding["evidence"]["reports"] == 5


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"csp-report": {"document-uri": "https://www.example.com/", "blocked-uri": "inline"}}', 422),
        (b'{"expect-ct-report": {"hostname": "www.example.com", "port": 443, "scts": []}}', 422),
        (b'{"hostname": "www.another.example", "port": 443', 400),
    ],
)
def test_what_is_of_another_kind_or_host_withholds_nothing(team: RedTeam, body: bytes, status: int) -> None:
    for number in range(30):
        team.post(body, address=network(number), status=status)
    assert team.decisive() == ("ready", set())


def test_what_names_no_host_withholds_from_many_networks_only(team: RedTeam) -> None:
    for number in range(7):
        team.post(b"{", address=network(number), status=400)
    assert team.decisive() == ("ready", set())
    for number in range(7, 12):
        team.post(b"x" * 300_000, address=network(number), status=413)
    assert team.decisive() == ("ready", set()), "of neither reason there are many"
    team.post(b"{", address=network(7), status=400)
    assert team.decisive() == ("not_enough_data", REFUSED)


def test_a_flood_from_one_network_does_not_displace_honest_reports(team: RedTeam) -> None:
    team.play(*(_forged_variation(team.keys, number) for number in range(120)))
    team.play(_unpinned(team.keys, 50))
    verdict, codes = team.decisive()
    assert verdict == "not_ready"
    assert codes >= {"open_unknown_key_public_ca", "reports_refused"}
    found = team.get("/violations", limit="500")["items"]
    assert max(v["clients"] for v in found) >= 50
    finding = team.finding("reports_refused")
    assert finding is not None
    assert finding["evidence"]["reasons"] == {"network_and_host": 70}
    assert finding["evidence"]["networks"] == 1


def _forged_variation(keys: Keys, number: int) -> Send:
    """Make up a report like no other, from one network."""
    known = keys.leaf[0].pin, keys.backup, Pin(bytes((number,)) * 32)
    return Send((), (), known, 1, Sender.TRUSTKIT_APPLE, forged=True)


def _fail(team: RedTeam, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a probe find no address."""
    resolve(monkeypatch, {HOST: []})
    assert team.driver.client.post("/api/v1/hosts/www.example.com/probe").status_code == 200
    resolve(monkeypatch, {HOST: ["127.0.0.1"]})


def test_a_failed_probe_erases_nothing_that_was_seen(team: RedTeam, monkeypatch: pytest.MonkeyPatch) -> None:
    _fail(team, monkeypatch)
    assert team.decisive() == ("not_enough_data", {"host_not_reached"})
    team.later(minutes=1)
    team.play(Serve(team.keys.renewed), RunProbe())
    assert team.decisive() == ("not_ready", {"no_pin_in_live_chain"})
    for _ in range(3):
        team.later(minutes=1)
        _fail(team, monkeypatch)
        assert team.decisive() == ("not_ready", {"no_pin_in_live_chain", "host_not_reached"})
    finding = team.finding("host_not_reached")
    assert finding is not None
    assert "The last result, of 2026-03-17 12:01 UTC, counts until a probe finds something else" in finding["message"]
    team.later(minutes=1)
    team.play(Serve(team.keys.leaf), RunProbe())
    assert team.decisive() == ("ready", set())


def test_an_address_that_was_not_seen_keeps_what_it_showed() -> None:
    def probe(minute: int, *shown: str, of: tuple[str, ...] = ("192.0.2.1", "192.0.2.2")) -> Probe:
        endpoints = tuple(Endpoint(address, ((),) if address in shown else ()) for address in of)
        return Probe(HOST, 443, START + timedelta(minutes=minute), endpoints)

    both, one = probe(1, "192.0.2.1", "192.0.2.2"), probe(2, "192.0.2.1")
    kept = keep_last_seen(probe(3, "192.0.2.1"), [one, both])
    assert [(p.at, [e.address for e in p.endpoints]) for p in kept] == [(both.at, ["192.0.2.2"])]
    assert [p.at for p in keep_last_seen(probe(3, of=()), [one, both])] == [one.at]
    assert keep_last_seen(probe(3, "192.0.2.1", of=("192.0.2.1",)), [one, both]) == ()


@pytest.mark.parametrize(
    ("second", "spare", "found"),
    [("192.0.2.1", False, True), ("192.0.2.2", False, False), ("192.0.2.1", True, None)],
)
def test_pins_that_both_live_on_one_machine_are_no_backup(second: str, spare: bool, found: bool | None) -> None:
    ec, rsa = live_host(LIVE), live_host(BACKUP)  # a pair of keys, each with a chain of its own
    live = replace(ec, chains=(*ec.chains, *(replace(chain, address=second) for chain in rsa.chains)))
    pins = (*POLICY.pins, *([ExpectedPin(Pin(bytes((9,)) * 32))] if spare else []))
    answer = assess_readiness(ReadinessInput(replace(POLICY, pins=pins), replace(GOOD, live=live), NOW))
    told = next((finding.withholds for finding in answer.findings if finding.code == "no_offline_backup"), None)
    assert told is found


def test_an_intermediate_as_the_only_live_pin_blocks_whichever_ca_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def policy(keys: Keys) -> SetPolicy:
        return SetPolicy((keys.reissued[1].pin, keys.backup))  # of this intermediate no catalog knows

    with red_team(tmp_path, monkeypatch, policy=policy) as team:
        team.play(Serve(team.keys.reissued), RunProbe())
        assert team.decisive() == ("not_ready", {"rests_on_rotating_ca"})


def test_subdomains_without_evidence_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with red_team(tmp_path, monkeypatch) as team:
        assert team.finding("subdomains_not_seen") is None
        assert team.driver.policy is not None
        team.driver.set_policy(replace(team.driver.policy, include_subdomains=True), report_uri_on_host=False)
        assert team.finding("subdomains_not_seen") is not None
        path = f"/api/v1/hosts/shop.{HOST}/exposure/2026-03-17"
        assert team.driver.client.put(path, json={"sessions": 100}).status_code == 200
        assert team.finding("subdomains_not_seen") is None


@pytest.mark.parametrize(
    ("uri", "faults"),
    [
        ("https://reports.example.net/report", set()),
        ("https://8.8.8.8/report", set()),
        ("https://[2606:4700::1111]/report", set()),
        ("https://127.0.0.1:8000/report", {ReportUriFault.UNREACHABLE}),
        ("https://[::1]/report", {ReportUriFault.UNREACHABLE}),
        ("https://10.1.2.3/report", {ReportUriFault.UNREACHABLE}),
        ("https://localhost/report", {ReportUriFault.UNREACHABLE}),
        ("https://collector/report", {ReportUriFault.UNREACHABLE}),
        ("https://collector.internal./report", {ReportUriFault.UNREACHABLE}),
        ("https://shop.example./report", {ReportUriFault.UNDER_PINS}),
        ("https://SHOP.example?to=hpkp", {ReportUriFault.UNDER_PINS}),
        ("https://user:word@shop.example:8443", {ReportUriFault.UNDER_PINS}),
        ("https://bücher.shop.example/report", {ReportUriFault.UNDER_PINS}),
        ("https://xn--bcher-kva.shop.example/report", {ReportUriFault.UNDER_PINS}),
        ("ftp://reports.example.net/", {ReportUriFault.NOT_ABSOLUTE}),
        ("/report", {ReportUriFault.NOT_ABSOLUTE}),
        ("https://[::1/report", {ReportUriFault.NOT_ABSOLUTE}),
    ],
)
def test_a_report_uri_is_checked_in_one_place_for_linter_and_verdict(uri: str, faults: set[ReportUriFault]) -> None:
    checked = check_report_uri(uri, Host("shop.example"), include_subdomains=True)
    assert checked.faults == faults
    pins = "; ".join(f'pin-sha256="{Pin(bytes((n,)) * 32)}"' for n in (1, 2))
    review = lint_header(
        Subject([f'{pins}; report-uri="{uri}"; includeSubDomains'], host=Host("shop.example"), report_only=True)
    )
    policy = replace(POLICY, host=Host("shop.example"), report_uri=uri, include_subdomains=True)
    verdict = assess_readiness(ReadinessInput(policy, GOOD, NOW))
    for fault, code in (
        (ReportUriFault.UNREACHABLE, "report_uri_unreachable"),
        (ReportUriFault.UNDER_PINS, "report_uri_on_pinned_host"),
    ):
        for findings in (review.findings, verdict.findings):
            assert (code in {finding.code for finding in findings}) is (fault in faults)
    inside = assess_readiness(ReadinessInput(policy, GOOD, NOW, limits=Thresholds(private_addresses=True)))
    assert "report_uri_unreachable" not in {finding.code for finding in inside.findings}


@pytest.mark.parametrize(("days", "told"), [(3, True), (13, True), (20, False)])
def test_a_served_intermediate_that_expires_soon_is_told(days: int, told: bool) -> None:
    live = live_host(LIVE)
    ends = NOW + timedelta(days=days)
    due = replace(live, chains=tuple(replace(chain, intermediates_end=ends) for chain in live.chains))
    answer = assess_readiness(ReadinessInput(POLICY, replace(GOOD, live=due), NOW))
    assert ("intermediate_expires_soon" in {finding.code for finding in answer.findings}) is told


def test_clients_that_are_locked_out_now_come_first_with_what_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def policy(keys: Keys) -> SetPolicy:
        return SetPolicy((keys.leaf[0].pin, keys.backup), Mode.ENFORCE, 300)

    with red_team(tmp_path, monkeypatch, policy=policy) as team:
        assert team.decisive() == ("ready", set())
        keys = team.keys
        team.driver.expose(None, 20_000, app="com.example.shop")
        met = (*keys.leaf, keys.old_root)
        previous = keys.renewed[0].pin, keys.reissued[1].pin
        team.play(SetPolicy((*previous, keys.backup), Mode.ENFORCE, 300))  # so that they are former pins of ours
        team.later(minutes=10)
        team.play(SetPolicy((keys.leaf[0].pin, keys.backup), Mode.ENFORCE, 300))
        team.play(Send(keys.leaf, met, previous, 20, enforced=True))
        team.play(Send(keys.leaf, met, previous, 30, Sender.TRUSTKIT_APPLE, enforced=True))
        answer = team.ask()
        assert answer["verdict"] == "not_ready"
        assert answer["findings"][0]["code"] == "locked_out_now"
        assert "Clients are locked out now" in answer["headline"]
        finding = answer["findings"][0]
        assert "browsers (20 reports)" in finding["message"]
        assert "com.example.shop 4.2 (30 reports" in finding["message"]
        assert answer["plan"]["do"][0] == finding["fix"]
        assert "Apps keep their pins until they are updated" in finding["fix"]
        assert "until max-age has passed" in finding["fix"]


@pytest.mark.parametrize(
    "sender", [Sender.TRUSTKIT_APPLE, Sender.PROTON_BRIDGE, Sender.PROTON_VPN, Sender.GO_HPKP, Sender.REPORTING_API]
)
def test_clients_that_enforce_a_report_only_policy_are_told(team: RedTeam, sender: Sender) -> None:
    keys = team.keys
    assert team.finding("clients_enforce_already") is None
    met = (*keys.leaf, keys.old_root)
    known = keys.retired, keys.renewed[0].pin
    if sender is Sender.REPORTING_API:  # its form has no mode: only the report-uri says it
        body = team.body(Send(keys.leaf, met, known, 1, sender))
        team.post(body, address=network(1), path="/report?mode=enforce", status=204)
    else:
        team.play(Send(keys.leaf, met, known, 3, sender, enforced=True))
    finding = team.finding("clients_enforce_already")
    assert finding is not None
    assert finding["severity"] == "caution"


def _own_key(keys: Keys, clients: int, *, variation: int = 1, forged: bool = True) -> Send:
    """Let clients report a certificate of an own key without a pin; anybody can take it from a public log."""
    known = keys.leaf[0].pin, keys.backup, Pin(bytes((variation,)) * 32)
    return Send(keys.renewed, (*keys.renewed, keys.old_root), known, clients, Sender.TRUSTKIT_APPLE, forged=forged)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedTeam]:
    """Return a rollout that is `ready`, whose operator has another key that is not pinned."""
    with red_team(
        tmp_path, monkeypatch, policy=lambda k: SetPolicy((k.leaf[0].pin, k.backup), own_keys=(k.renewed[0].pin,))
    ) as team:
        assert team.decisive() == ("ready", set())
        yield team


def _ids(team: RedTeam) -> list[int]:
    return [violation["id"] for violation in team.get("/violations", host=HOST)["items"]]


def test_what_was_resolved_reopens_with_the_next_report(own: RedTeam) -> None:
    own.play(_own_key(own.keys, 2))
    assert own.verdict() == "not_ready"
    own.later(minutes=5)
    own.set_status(_ids(own)[0], "resolved")
    assert own.decisive() == ("ready", set())
    own.later(minutes=3)
    assert own.verdict() == "ready"
    own.play(_own_key(own.keys, 30, forged=False))
    verdict, codes = own.decisive()
    assert verdict == "not_ready"
    assert "open_own_key_not_pinned" in codes


def test_what_is_expected_of_a_tester_does_not_cover_a_thousand_installs(own: RedTeam) -> None:
    own.play(_own_key(own.keys, 1, forged=False))
    own.set_status(_ids(own)[0], "expected")
    assert own.decisive() == ("ready", set())
    own.later(minutes=5)
    own.play(_own_key(own.keys, 10, forged=False))
    assert own.decisive() == ("ready", set()), "ten more are covered"
    own.next_day()
    own.play(_own_key(own.keys, 40, forged=False))
    verdict, codes = own.decisive()
    assert verdict == "not_ready"
    assert "open_own_key_not_pinned" in codes
    assert own.finding("decision_outgrown") is not None
    own.set_status(_ids(own)[0], "expected")  # one decision ends it again
    assert own.decisive() == ("ready", set())


def test_an_ignored_forgery_does_not_mute_others_behind_its_network(own: RedTeam) -> None:
    own.play(_own_key(own.keys, 3))
    own.set_status(_ids(own)[0], "ignored")
    assert own.decisive() == ("ready", set())
    for day in range(3):  # in new variations, day after day: one decision ends it
        own.next_day()
        own.play(_own_key(own.keys, 3, variation=10 + day))
        assert own.decisive() == ("ready", set())
        assert own.finding("left_out_as_ignored") is not None
    first, *later = sorted(own.get("/violations", host=HOST)["items"], key=lambda violation: violation["id"])
    assert [v["left_out"] for v in (first, *later)] == [False, True, True, True]
    assert own.get(f"/violations/{later[0]['id']}")["left_out"] is True
    own.next_day()
    own.play(_own_key(own.keys, 90, variation=50))
    verdict, codes = own.decisive()
    assert verdict == "not_ready"
    assert "open_own_key_not_pinned" in codes
    assert own.finding("decision_outgrown") is not None
    own.set_status(_ids(own)[0], "ignored")
    assert own.decisive() == ("ready", set())


def test_what_certificates_prove_is_not_ended_by_ignoring_it(team: RedTeam) -> None:
    keys = team.keys
    known = keys.leaf[0].pin, keys.backup
    team.play(Send(keys.misissued, (*keys.misissued, keys.new_root), known, 1, forged=True))
    verdict, codes = team.decisive()
    assert (verdict, "open_unknown_key_public_ca" in codes) == ("not_ready", True)
    (violation,) = _ids(team)
    team.set_status(violation, "ignored")
    assert team.verdict() == "not_ready"
    assert team.finding("decision_outgrown") is not None
    team.set_status(violation, "expected")  # it is ours after all
    assert team.decisive() == ("ready", set())
