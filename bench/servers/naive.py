"""The same task as one would write it first: FastAPI, SQLModel, a session and a commit for each report.

It reads the form and keeps rows; it parses no certificate, judges nothing and counts retries again. Every answer comes
after a commit with ``synchronous=FULL``. The file is named by ``BENCH_DATABASE``.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict
from sqlalchemy import JSON, Column, create_engine, event
from sqlmodel import Field, MetaData, Session, SQLModel


class ReceivedReport(SQLModel, table=True):
    """A report as it came."""

    __tablename__ = "received_reports"
    metadata = MetaData()  # apart from the service's own tables

    id: int | None = Field(default=None, primary_key=True)
    received_at: datetime = Field(index=True)
    date_time: datetime
    hostname: str = Field(index=True)
    port: int
    noted_hostname: str
    include_subdomains: bool
    effective_expiration_date: datetime
    known_pins: list[str] = Field(sa_column=Column(JSON))
    served_certificate_chain: list[str] = Field(sa_column=Column(JSON))
    validated_certificate_chain: list[str] = Field(sa_column=Column(JSON))


class ReportBody(BaseModel):
    """The form of RFC 7469, section 3."""

    model_config = ConfigDict(alias_generator=lambda name: name.replace("_", "-"))

    date_time: datetime
    hostname: str
    port: int
    noted_hostname: str
    include_subdomains: bool
    effective_expiration_date: datetime
    known_pins: list[str]
    served_certificate_chain: list[str]
    validated_certificate_chain: list[str]


engine = create_engine(f"sqlite:///{os.environ['BENCH_DATABASE']}", connect_args={"timeout": 30})


@event.listens_for(engine, "connect")
def _durable(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    ReceivedReport.metadata.create_all(engine)
    yield


def _session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


app = FastAPI(lifespan=_lifespan)


@app.post("/report", status_code=204)
def take_report(body: ReportBody, session: Annotated[Session, Depends(_session)]) -> None:
    """Keep a report."""
    session.add(ReceivedReport(received_at=datetime.now(UTC), **body.model_dump()))
    session.commit()
