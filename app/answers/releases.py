"""Releases of apps, their installs, and what they do with a chain."""

from typing import TYPE_CHECKING, Any

from app.answers.app_pins import layer_answer
from app.hpkp.app_pins.lockout import KeySets, ReleaseCheck
from app.hpkp.app_pins.old_keys import OldKeys
from app.hpkp.app_pins.release import AppRelease, HostDifference, InstallCount, ReleaseInstalls

if TYPE_CHECKING:  # the command line, which starts without the database, writes the other answers
    from app.usecases.app_overview import AppOverview, ReleaseOverview


def release_answer(release: AppRelease, *, layers: bool = True) -> dict[str, Any]:
    """Return a release, with its pins if wanted."""
    answer: dict[str, Any] = {
        "app": release.app,
        "version": release.version,
        "platform": release.platform.value,
        "builds": list(release.builds),
        "shipped_at": release.shipped_at,
        "retired_at": release.retired_at,
        "recorded_at": release.recorded_at,
    }
    return answer | {"layers": list(map(layer_answer, release.layers))} if layers else answer


def release_check_answer(check: ReleaseCheck) -> dict[str, Any]:
    """Return what a release does with a chain."""
    return {
        "app": check.release.app,
        "version": check.release.version,
        "platform": check.release.platform.value,
        "outcome": check.outcome.value,
        "in_use": check.in_use,
        "can_report": check.can_report,
        "installs": None if check.installs is None else _installs_answer(check.installs),
        "layers": [
            {
                "form": layer.form.value,
                "outcome": layer.outcome.value,
                "place": None if layer.place is None else layer.place.value,
            }
            for layer in check.layers
        ],
    }


def _installs_answer(installs: ReleaseInstalls) -> dict[str, Any]:
    return {
        "day": installs.day,
        "count": installs.count,
        "of": installs.of,
        "share": installs.share,
        "is_lower_bound": installs.is_lower_bound,
    }


def install_count_answer(count: InstallCount) -> dict[str, Any]:
    """Return a count of installs as it was recorded."""
    return {
        "app": count.app,
        "platform": count.platform.value,
        "day": count.day,
        "version": count.version,
        "build": count.build,
        "count": count.count,
        "source": count.source,
        "is_lower_bound": count.is_lower_bound,
    }


def key_sets_answer(host: str, found: KeySets) -> dict[str, Any]:
    """Return the smallest sets of keys that lock out no release in use."""
    return {
        "host": host,
        "sets": [sorted(map(str, keys)) for keys in found.sets],
        "complete": found.complete,
        "unmatched": [str(release) for release in found.unmatched],
    }


def old_keys_answer(found: OldKeys) -> dict[str, Any]:
    """Return what keeps keys in use, and from when on nothing does; ``key`` is null if several go."""
    keys = sorted(map(str, found.keys))
    return {
        "key": keys[0] if len(keys) == 1 else None,
        "keys": keys,
        "staying": sorted(map(str, found.staying)),
        "can_go": found.can_go,
        "up_to_share": found.limit,
        "uses": [
            {
                "app": use.release.app,
                "version": use.release.version,
                "platform": use.release.platform.value,
                "installs": None if use.installs is None else _installs_answer(use.installs),
                "share": use.shares[0],
                "share_a_week_before": use.shares[1],
                "share_a_month_before": use.shares[2],
                "until": use.until,
                "expires": use.expires,
            }
            for use in found.uses
        ],
    }


_MOST_VERSIONS = 100


def app_answer(found: "AppOverview") -> dict[str, Any]:
    """Return an app with its releases; versions that are not registered are claims, and bounded."""
    most = sorted(found.unregistered, key=lambda one: (-one.reports, one.version, one.platform))
    return {
        "app": found.app,
        "releases": list(map(_overview, found.releases)),
        "unregistered": [
            {
                "version": one.version,
                "platform": one.platform,
                "reports": one.reports,
                "refused_connections": one.refused,
            }
            for one in most[:_MOST_VERSIONS]
        ],
    }


def _overview(one: "ReleaseOverview") -> dict[str, Any]:
    return {
        "version": one.release.version,
        "platform": one.release.platform.value,
        "in_use": one.in_use,
        "retired_at": one.release.retired_at,
        "installs": None if one.installs is None else _installs_answer(one.installs),
        "hosts": [
            {
                "host": host.name,
                "outcome": host.check.outcome.value,
                "can_report": host.check.can_report,
                "probed_at": host.probed_at,
            }
            for host in one.hosts
        ],
        "reports": one.reports,
        "refused_connections": one.refused,
    }


def difference_answer(difference: HostDifference) -> dict[str, Any]:
    """Return a host that two releases pin differently."""
    return {
        "host": difference.host,
        "removed": list(map(str, difference.removed)),
        "added": list(map(str, difference.added)),
        "before": difference.before,
        "after": difference.after,
    }
