"""Which host's policy answers for a report."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from app.hpkp.app_pins.release import AppRelease
from app.hpkp.hosts import superdomains
from app.hpkp.policy import PolicyHistory

_NO_POLICY = PolicyHistory(())


@dataclass(frozen=True, slots=True)
class Histories:
    """What may answer for some reports: histories by policy host, and releases of apps by the host name reported.

    ``policies`` contains only hosts that ever had a policy, ``releases`` only names that some release pins.
    """

    policies: Mapping[str, PolicyHistory] = field(default_factory=dict)
    releases: Mapping[str, tuple[AppRelease, ...]] = field(default_factory=dict)


def hosts_that_may_answer(hostname: str, noted_hostname: str | None) -> Iterator[str]:
    """Yield the hosts whose policy may answer for a report: what `find_pinned_host` needs the histories of."""
    yield hostname
    yield from superdomains(hostname)
    if noted_hostname:
        yield noted_hostname


def find_pinned_host(hostname: str, noted_hostname: str | None, histories: Histories) -> tuple[str, PolicyHistory]:
    """Return the host under which a report is counted, and the history of its policy, which may be empty.

    The noted host answers first: its pins are what the client compared (RFC 7469 sections 2.6 and 3), although the name
    it connected to may have a policy of its own. A noted host with a policy that never covered its subdomains does not
    answer for them (section 2.1.3). The releases that pin the reported name answer with whichever host is found.
    """
    host, history = _find_policy(hostname, noted_hostname, histories.policies)
    releases = histories.releases.get(hostname, ())
    return host, replace(history, releases=releases) if releases else history


def _find_policy(
    hostname: str, noted_hostname: str | None, policies: Mapping[str, PolicyHistory]
) -> tuple[str, PolicyHistory]:
    above = superdomains(hostname)
    noted = (noted_hostname,) if noted_hostname in above else ()
    for candidate in (*noted, hostname, *above):
        history = policies.get(candidate, _NO_POLICY)
        if hostname in history.control_domains or any(policy.covers(hostname) for policy in history.revisions):
            return candidate, history
    return next((host for host in noted if host not in policies), hostname), _NO_POLICY
