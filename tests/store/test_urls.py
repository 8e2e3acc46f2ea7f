"""The URL of a store: which databases it may name, and what of it may be shown."""

import pytest
from sqlalchemy.exc import ArgumentError

from app.store.engine import exists, open_engine, parse_url, without_password


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_name_of_postgresql_means_the_one_driver(scheme: str) -> None:
    url = parse_url(f"{scheme}://collector:secret@db.example:5433/hpkp?sslmode=verify-full")
    assert url.drivername == "postgresql+psycopg"
    assert (url.host, url.port, url.database, url.password) == ("db.example", 5433, "hpkp", "secret")
    assert url.query == {"sslmode": "verify-full"}


@pytest.mark.parametrize("scheme", ["mysql", "postgresql+asyncpg", "sqlite+aiosqlite", "oracle"])
def test_another_database_or_driver_is_refused_by_name(scheme: str) -> None:
    with pytest.raises(ValueError, match="neither sqlite nor postgresql") as refused:
        open_engine(f"{scheme}://collector:secret@db.example/hpkp")
    assert scheme in str(refused.value)
    assert "secret" not in str(refused.value)


def test_what_is_no_url_is_refused() -> None:
    with pytest.raises(ArgumentError):
        open_engine("nonsense")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://collector:secret@db.example/hpkp", "postgresql://collector:***@db.example/hpkp"),
        ("postgresql://db.example/hpkp?password=secret", "postgresql://db.example/hpkp?password=***"),
        ("sqlite:///data/hpkp.sqlite3", "sqlite:///data/hpkp.sqlite3"),
        ("collector:secret", "(no URL)"),
    ],
)
def test_no_password_is_shown(url: str, shown: str) -> None:
    assert without_password(url).replace("%2A", "*") == shown


def test_whether_there_is_a_store_is_asked_of_files_alone() -> None:
    assert not exists("sqlite:////nowhere/hpkp.sqlite3")
    assert exists("postgresql://nowhere.invalid/hpkp")
    assert exists("nonsense"), "opening it says what is wrong"
