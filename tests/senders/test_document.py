"""What docs/senders.md tells of the senders is what the code reads."""

import ast
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from app.demo import FORMS
from app.hpkp.report import Sender
from app.senders import rfc7469, trustkit
from app.senders.reporting_api import MAX_ENTRIES
from tests.test_docs import blocks, code, rows

TEXT = (Path(__file__).parents[2] / "docs/senders.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("title", ["What to expect", "How the sender is recognized"])
def test_every_sender_stands_in_the_tables(title: str) -> None:
    assert [code(row[0]) for row in rows(TEXT, title)] == [
        "chromium", "trustkit-apple", "trustkit-android", "proton-bridge", "proton-vpn", "react-native-ssl-manager",
        "go-hpkp", "reporting-api", "rfc7469",
    ] == [sender.value for sender in Sender]  # fmt: skip


def contradictions_of(module: ModuleType) -> Iterator[str]:
    """Read what a family's file can say against a report out of its source."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Yield):
            assert isinstance(node.value, ast.Constant)
            yield str(node.value.value)


def test_every_contradiction_stands_in_the_table_and_no_other() -> None:
    told = [(sender, said) for sender, said, _ in rows(TEXT, "What contradicts a sender")]
    expected = [("Chromium", said) for said in contradictions_of(rfc7469)]
    expected += [("TrustKit", said) for said in contradictions_of(trustkit)]
    assert len(expected) == 11
    assert sorted(told) == sorted(expected)


def test_the_bound_of_a_batch_is_told() -> None:
    assert re.findall(r"at most (\d+) entries", TEXT) == [str(MAX_ENTRIES)]


def test_the_configuration_in_json_is_json() -> None:
    [configuration] = blocks(TEXT, "json")
    assert json.loads(configuration)["reportUris"] == ["https://reports.example.net/report/react"]


def test_the_sample_named_first_is_one_that_can_be_sent() -> None:
    named = re.findall(r"`hpkp send-sample --as ([a-z-]+)`", TEXT)
    assert named
    assert set(named) <= set(FORMS)
