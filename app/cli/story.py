"""Plays a story into a store, as if its days had just passed; for ``hpkp demo --scenario``."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from app.collector import Envelope
from app.hpkp.causes import Cause
from app.hpkp.chain import read_certificate
from app.hpkp.exposure import ExposedDay
from app.hpkp.hosts import Host
from app.hpkp.live import Answer, Endpoint, Probe
from app.hpkp.policy import Mode, PinningPolicy
from app.hpkp.readiness import Readiness
from app.samples.rollout import Chain, Keys, Rollout, pinning_field
from app.samples.stories import STORIES, Story
from app.service import Service
from app.store.canaries import add_canary, receive_canary
from app.store.engine import to_ms, writing
from app.store.exposures import record_exposure
from app.store.submissions import Submission
from app.store.violations import Filter, list_violations, set_status

HOST = Host("www.example.com")

StoryName = StrEnum("StoryName", {story.name.replace("-", "_").upper(): story.name for story in STORIES})  # type: ignore[misc]
"""The stories by name, as a choice of the command line."""

_ADDRESS = "192.0.2.1"


def story_named(name: str) -> Story:
    """Return the story of a name."""
    return next(story for story in STORIES if story.name == name)


def play(service: Service, story: Story, keys: Keys, *, until: datetime) -> Iterator[tuple[datetime, Readiness]]:
    """Play a story whose last question is asked at ``until``; give the verdict of every evening."""
    start = until - timedelta(days=story.days - 1, hours=12)
    stage = _Stage(service, start)
    rollout = Rollout(keys, stage)
    rollout.play([story.day0(keys)], at=start)
    for day in range(story.days):
        stage.moment = start + timedelta(days=day, hours=6)
        rollout.play(story.acts(keys, day), at=stage.moment)
        evening = stage.moment + timedelta(hours=6)
        answer = service.record_verdict(HOST, at=evening)
        assert answer is not None  # the story begins with a policy
        yield evening, answer


@dataclass
class _Stage:
    """A store at hand: what a story tells is written as of its moment."""

    service: Service
    moment: datetime
    policy: PinningPolicy | None = None
    canaries: int = 0

    def set_policy(self, policy: PinningPolicy, *, report_uri_on_host: bool) -> None:
        uri = f"https://{HOST}/report" if report_uri_on_host else "https://reports.example.net/report"
        self.policy = replace(policy, report_uri=uri, effective_from=self.moment)
        self.service.set_policy(self.policy, at=self.moment)

    def post(self, body: bytes, *, address: str) -> None:
        read = self.service.collector.read(body, Envelope(address=address), received_at=to_ms(self.moment))
        submissions = [submission for submission in read if isinstance(submission, Submission)]
        with writing(self.service.engine) as connection:
            self.service.intake.write(connection, submissions)

    def expose(self, sessions: int | None, clients: int | None, *, app: str) -> None:
        day = ExposedDay(HOST, self.moment.date(), sessions, clients, app)
        with writing(self.service.engine) as connection:
            record_exposure(connection, [day], origin="demo", at=self.moment)

    def send_canary(self, *, arrives: bool) -> None:
        self.canaries += 1
        assert self.policy is not None
        assert self.policy.report_uri is not None
        nonce = self.canaries.to_bytes(16, "big")
        if f"//{HOST}/" in self.policy.report_uri:
            arrives = False  # the host does not collect reports
        with writing(self.service.engine) as connection:
            add_canary(connection, HOST, nonce, report_uri=self.policy.report_uri, at=self.moment)
            if arrives:
                receive_canary(connection, HOST, nonce, at=self.moment)

    def look(self, chain: Chain, *, header: bool) -> None:
        assert self.policy is not None
        _, value = pinning_field(self.policy)
        enforced = self.policy.mode is Mode.ENFORCE
        values = (value,) if header else ()
        answer = Answer("/", 200, *((values, ()) if enforced else ((), values)))
        served = tuple(read_certificate(issued.der, position=position) for position, issued in enumerate(chain))
        endpoint = Endpoint(_ADDRESS, (served,), (answer,))
        self.service.record_probe(Probe(HOST, 443, self.moment, (endpoint,)))

    def mark(self, cause: Cause, status: str) -> None:
        with writing(self.service.engine) as connection:
            for row in list_violations(connection, Filter(host=HOST, cause=cause), limit=500):
                set_status(connection, row.id, status=status, note="the operator of the story", at=self.moment)
