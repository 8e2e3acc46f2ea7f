"""What may mislead the verdict, played over HTTP and TLS on a rollout that is `ready`; each with the right answer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.hpkp.pins import Pin
from app.hpkp.report import Sender
from app.samples.rollout import Keys, Send
from tests.red_team import RedTeam, network, red_team

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
    assert "hpkp refusals www.example.com --as ignored" in finding["fix"]

    path = "/api/v1/hosts/www.example.com/refusals"
    answer = team.stage.client.put(path, json={"status": "ignored", "note": "an old proxy"})
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
    assert "holds up to 150" in again["message"]

    assert team.stage.client.put(path, json={"status": "ignored"}).status_code == 200
    assert team.verdict() == "ready"
    assert team.stage.client.put(path, json={"status": "open"}).status_code == 200
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
