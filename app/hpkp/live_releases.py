"""What releases of apps do with the chains that a host was last seen to serve, without any report."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from app.hpkp.app_pins.lockout import ReleaseCheck, check_releases, worst_of
from app.hpkp.app_pins.release import AppRelease, InstallCount
from app.hpkp.deployment import paths_to_check
from app.hpkp.probe_result import ProbedHost
from app.hpkp.x509.anchors import KnownCertificates


def check_live(
    live: ProbedHost | None,
    releases: Iterable[AppRelease],
    installs: Sequence[InstallCount],
    known: KnownCertificates,
    *,
    host: str,
    at: datetime,
) -> tuple[ReleaseCheck, ...]:
    """Check every release against each chain that is served, and return its worst outcome; without a probe unknown.

    A device may reach any address, so a release has to accept the chains of all of them.
    """
    releases = [release for release in releases if release.pins_host(host)]
    if not releases:
        return ()
    served = [] if live is None else [
        paths_to_check(chain, known, host=host, at=probe.at)
        for probe in (live.probe, *live.earlier)
        for endpoint in probe.endpoints
        for chain in endpoint.chains
    ]  # fmt: skip
    return worst_of(check_releases(releases, installs, paths, host=host, at=at) for paths in served or [None])
