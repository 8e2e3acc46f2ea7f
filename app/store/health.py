"""Whether a store can be used."""

from sqlalchemy import Engine, literal, select
from sqlalchemy.exc import SQLAlchemyError

from app.store import tables
from app.store.failures import StoreFailure, StoreState, describe_failure

_INCOMPLETE = StoreFailure(
    StoreState.INCOMPLETE, "The database lacks tables of this program. Stop the service and restore a backup."
)


def find_failure(engine: Engine) -> StoreFailure | None:
    """Look at a row of every table; return why the store cannot be used, or None. Takes some milliseconds.

    In SQLite without what the connection has in memory, so that damage to the file is noticed.
    """
    metadata = tables.violations.metadata
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA shrink_memory")
            for table in metadata.sorted_tables:
                connection.execute(select(literal(1)).select_from(table).limit(1)).all()
    except SQLAlchemyError as error:
        return describe_failure(error) or _INCOMPLETE
    return None
