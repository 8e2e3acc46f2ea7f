"""Plays a story into a store, as if its days had just passed; for ``hpkp demo --scenario``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from app.hpkp.hosts import Host
from app.samples.stories import STORIES, Story

if TYPE_CHECKING:
    from app.hpkp.readiness import Readiness
    from app.samples.rollout import Keys
    from app.service import Service

HOST = Host("www.example.com")

StoryName = StrEnum("StoryName", {story.name.replace("-", "_").upper(): story.name for story in STORIES})  # type: ignore[misc]
"""The stories by name, as a choice of the command line."""


def story_named(name: str) -> Story:
    """Return the story of a name."""
    return next(story for story in STORIES if story.name == name)


def play(service: Service, story: Story, keys: Keys, *, until: datetime) -> Iterator[tuple[datetime, Readiness]]:
    """Play a story whose last question is asked at ``until``; give the verdict of every evening.

    What happens on the first day happens on the date (UTC) of its beginning, which is no whole day of exposure.
    """
    from app.cli.stage import Stage
    from app.samples.rollout import Rollout

    half = timedelta(hours=3 if 6 <= until.hour < 12 else 6)
    start = until - timedelta(days=story.days - 1) - 2 * half
    stage = Stage(service, HOST, start)
    rollout = Rollout(keys, stage)
    rollout.play([story.day0(keys)], at=start)
    for day in range(story.days):
        stage.moment = start + timedelta(days=day) + half
        rollout.play(story.acts(keys, day), at=stage.moment)
        evening = stage.moment + half
        answer = service.readiness.record(HOST, at=evening)
        assert answer is not None  # the story begins with a policy
        yield evening, answer
