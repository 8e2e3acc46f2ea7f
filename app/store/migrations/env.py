"""How Alembic reaches the store; the URL is handed in by `app.store.engine`."""

from alembic import context
from sqlmodel import SQLModel

from app.store import tables  # noqa: F401  the tables enter the metadata
from app.store.engine import open_engine, writing
from app.store.postgres import prepare_for_migrations
from app.store.views import create_views, drop_views

engine = open_engine(context.config.attributes["url"])
with writing(engine) as connection:
    if engine.dialect.name == "postgresql":
        prepare_for_migrations(connection)
    context.configure(connection=connection, target_metadata=SQLModel.metadata, render_as_batch=True)
    drop_views(connection)  # no view may stand in the way of a change to its tables
    context.run_migrations()
    if context.get_context().get_current_revision() == context.get_head_revision():
        create_views(connection)
engine.dispose()
