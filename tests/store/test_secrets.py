"""Of a token the store keeps the hash; the key of the client hashes is made once."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.store import tables
from app.store.engine import writing
from app.store.secrets import any_token, client_key, find_token, list_tokens, new_token, revoke_token
from tests.support.store.ingest_harness import IngestHarness

AT = datetime.now(UTC)


def test_the_key_of_the_client_hashes_is_made_once_and_stays(harness: IngestHarness) -> None:
    key = client_key(harness.engine)
    assert len(key) == 32
    assert client_key(harness.engine) == key
    with writing(harness.engine) as connection:
        connection.execute(tables.secrets.delete())
    assert client_key(harness.engine) != key


def test_a_token_opens_its_scope_and_no_other_text_does(engine: Engine) -> None:
    with writing(engine) as connection:
        assert not any_token(connection, at=AT)
        read, admin = new_token(connection, "grafana", "read"), new_token(connection, "deploy", "admin")
        assert any_token(connection, at=AT)
        found = [find_token(connection, text=text, at=AT) for text in (read, admin)]
        assert [(token.name, token.scope) for token in found if token] == [("grafana", "read"), ("deploy", "admin")]
        wrong = ("", read[:-1], read + " ", read.upper(), "hpkp_", read.removeprefix("hpkp_"))
        assert [find_token(connection, text=text, at=AT) for text in wrong] == [None] * len(wrong)
        assert [(token.name, token.scope) for token in list_tokens(connection)] == [
            ("deploy", "admin"),
            ("grafana", "read"),
        ]


def test_a_revoked_token_opens_nothing_and_its_name_is_free_again(engine: Engine) -> None:
    with writing(engine) as connection:
        text = new_token(connection, "grafana", "read")
        assert revoke_token(connection, "grafana")
        assert not revoke_token(connection, "grafana")
        assert find_token(connection, text=text, at=AT) is None
        assert new_token(connection, "grafana", "read") != text


def test_a_name_in_use_is_refused(engine: Engine) -> None:
    with writing(engine) as connection:
        new_token(connection, "grafana", "read")
    with pytest.raises(ValueError, match="grafana"), writing(engine) as connection:
        new_token(connection, "grafana", "admin")


@pytest.mark.sqlite_file
def test_no_file_of_the_store_holds_a_token(engine: Engine, tmp_path: Path) -> None:
    with writing(engine) as connection:
        text = new_token(connection, "grafana", "read")
    files = list((tmp_path / "data").iterdir())
    assert {file.name for file in files} >= {"hpkp.sqlite3", "hpkp.sqlite3-wal"}
    held = b"".join(file.read_bytes() for file in files)
    assert b"grafana" in held
    assert text.encode() not in held
    assert text.removeprefix("hpkp_").encode() not in held


def test_a_token_that_has_expired_opens_nothing_and_is_none(engine: Engine) -> None:
    ends = AT + timedelta(days=1)
    with writing(engine) as connection:
        text = new_token(connection, "month", "read", expires_at=ends)
        for at, holds in ((ends - timedelta(milliseconds=1), True), (ends, False), (ends + timedelta(days=1), False)):
            assert (find_token(connection, text=text, at=at) is not None) == holds
            assert any_token(connection, at=at) == holds
        assert [token.name for token in list_tokens(connection)] == ["month"]


@pytest.mark.parametrize("name", ["", "x" * 101, "a\nb", "\x1b[31m"])
def test_what_is_no_name_is_refused(engine: Engine, name: str) -> None:
    with pytest.raises(ValueError, match="a name has 1 to 100 printable characters"), writing(engine) as connection:
        new_token(connection, name, "read")
