"""Facts of the service for readers that know the store and not its settings, such as boards."""

from sqlalchemy import Engine, select

from app.store import tables
from app.store.engine import writing
from app.store.upsert import upsert_rows

_PUBLIC_URL = "public_url"


def record_public_url(engine: Engine, url: str) -> None:
    """Write down where people open the pages, if it is another address than before."""
    facts = tables.service_facts
    with engine.connect() as connection:  # mostly nothing changed: then take no lock
        known = connection.scalar(select(facts.c.value).where(facts.c.name == _PUBLIC_URL))
    if known != url:
        with writing(engine) as connection:
            upsert_rows(connection, facts, [{"name": _PUBLIC_URL, "value": url}], put=("value",))
