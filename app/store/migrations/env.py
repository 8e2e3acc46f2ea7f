"""How Alembic reaches the store; the URL is handed in by `app.store.engine`."""

from alembic import context
from sqlmodel import SQLModel

from app.store import tables  # noqa: F401  the tables enter the metadata
from app.store.engine import open_engine, writing

engine = open_engine(context.config.attributes["url"])
with writing(engine) as connection:
    context.configure(connection=connection, target_metadata=SQLModel.metadata, render_as_batch=True)
    context.run_migrations()
engine.dispose()
