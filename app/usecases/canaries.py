"""Send canaries through the report-uri of policies, and see whether they arrive."""

import asyncio
import secrets
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from app.canary import make_canary, send
from app.hpkp.errors import InvalidPolicy
from app.settings import Settings
from app.store import canaries as store
from app.store.engine import writing
from app.store.secrets import canary_key
from app.threads import in_thread
from app.usecases.policies import Policies

_PATIENCE = 5.0
"""Seconds for which a canary that was accepted may take until it is counted."""


@dataclass(frozen=True, slots=True)
class CanarySent:
    """What became of a canary: where it was sent, and when it arrived here, or why not."""

    report_uri: str
    sent_at: datetime
    received_at: datetime | None
    fault: str | None


@dataclass(frozen=True, slots=True)
class Canaries:
    """The canaries of all hosts."""

    engine: Engine
    settings: Settings
    policies: Policies

    async def send(self, host: str, *, at: datetime) -> CanarySent | None:
        """Send a canary through the report-uri of the policy in force and see whether it arrives; None without one.

        Raises InvalidPolicy if the policy names no report-uri.
        """
        policy = await in_thread(self.policies.in_force, host, at=at)
        if policy is None:
            return None
        if policy.report_uri is None:
            raise InvalidPolicy(f"the policy of {host} names no report-uri to send a canary to")
        nonce = secrets.token_bytes(16)
        body = make_canary(policy, nonce, key=await in_thread(canary_key, self.engine), at=at)
        await in_thread(self.add, host, nonce, report_uri=policy.report_uri, at=at)
        fault = await send(policy.report_uri, body, private_addresses=self.settings.probe_private_addresses)
        patience = _PATIENCE if fault is None else 0.0  # the answer may have got lost, and not the canary
        received_at = await self._wait_for_arrival(nonce, patience)
        if received_at is None and fault is None:
            fault = f"{policy.report_uri} took it, but it did not arrive here: it leads to another collector"
        if fault is not None and received_at is None:
            await in_thread(self._set_fault, nonce, fault)
        return CanarySent(policy.report_uri, at, received_at, fault if received_at is None else None)

    async def send_if_possible(self, host: str, *, at: datetime) -> CanarySent | None:
        """Send a canary if the policy in force names a report-uri; None if not."""
        policy = await in_thread(self.policies.in_force, host, at=at)
        return None if policy is None or policy.report_uri is None else await self.send(host, at=at)

    def add(self, host: str, nonce: bytes, *, report_uri: str, at: datetime, arrived: bool = False) -> None:
        """Record a canary that is about to be sent; with ``arrived``, that it came back in the same moment."""
        with writing(self.engine) as connection:
            store.add_canary(connection, host, nonce, report_uri=report_uri, at=at)
            if arrived:
                store.receive_canary(connection, host, nonce, at=at)

    async def _wait_for_arrival(self, nonce: bytes, patience: float) -> datetime | None:
        """Return when a canary that was accepted somewhere was counted here; None if that takes longer."""
        ends = time.monotonic() + patience
        while (received_at := await in_thread(self._find_arrival, nonce)) is None and time.monotonic() < ends:
            await asyncio.sleep(0.05)
        return received_at

    def _set_fault(self, nonce: bytes, fault: str) -> None:
        with writing(self.engine) as connection:
            store.set_fault(connection, nonce, fault)

    def _find_arrival(self, nonce: bytes) -> datetime | None:
        with self.engine.connect() as connection:
            return store.received_at(connection, nonce)

    def find_last_arrival(self) -> datetime | None:
        """Return when a canary of any host last arrived, or None."""
        with self.engine.connect() as connection:
            return store.last_arrival(connection)

    def list_due(self, *, at: datetime) -> list[str]:
        """Return the hosts that ever had a policy and to which none was sent within the interval set.

        Whether there is somewhere to send one to is for `send_if_possible` to see: what is wrong with one policy must
        not keep the others waiting.
        """
        since = at - timedelta(hours=self.settings.canary_interval_hours)
        with self.engine.connect() as connection:
            return store.hosts_without_canary_since(connection, since, until=at)
