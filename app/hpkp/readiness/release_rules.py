"""Rules on registered releases of apps: what each does with the chains that are served, and what reports say of it.

Most releases cannot report. For them nothing but the registry, the chains and the installs says whether they are locked
out; for none of them does anything that was reported count as evidence that all is well.
"""

from collections.abc import Iterable, Iterator

from app.hpkp.app_pins.lockout import Outcome, ReleaseCheck
from app.hpkp.app_pins.release import ReleaseInstalls
from app.hpkp.app_pins.reporting import Registered
from app.hpkp.findings import Finding, Severity
from app.hpkp.readiness.evidence import Situation

_SHOWN = 5
_LISTED = 20


def locked_out_releases(case: Situation) -> Iterator[Finding]:
    """Name the releases in use that refuse the served chain now, whether anything was reported or not."""
    # Without any report: most releases that enforce cannot send one (decision record 39).
    if found := _of_outcome(case, Outcome.LOCKED_OUT):
        yield Finding(
            "release_locked_out",
            Severity.BLOCKER,
            f"Releases of apps enforce pins, and a chain that is served has none of them: {_name(found)}.",
            f"Serve a chain with a key that they pin (`hpkp app keys {case.policy.host}`), or make their users update. "
            f"If no install of a release matters, retire it: `{_retire(found[0])}`.",
            _evidence(found),
        )


def left_behind_monitors(case: Situation) -> Iterator[Finding]:
    """Name the releases that only report and have no pin in the served chain."""
    # No blocker: these installs connect, and no step of the site's policy changes that.
    if found := _of_outcome(case, Outcome.WOULD_BE_LOCKED_OUT):
        yield Finding(
            "release_would_be_locked_out",
            Severity.WARNING,
            f"Releases of apps that only report have no pin in a chain that is served: {_name(found)}. They work until "
            "a build with these pins enforces them.",
            "Ship no build that enforces these pins.",
            _evidence(found),
        )


def unknown_releases(case: Situation) -> Iterator[Finding]:
    """Withhold `ready` while it is unknown what a release in use does with a served chain."""
    if case.evidence.live is None:  # `live_chain_not_seen` says so of all
        return
    if found := _of_outcome(case, Outcome.UNKNOWN):
        yield Finding(
            "release_outcome_unknown",
            Severity.WARNING,
            f"Whether releases of apps accept a chain that is served is unknown: {_name(found)}. The chain cannot be "
            "read, no client accepts it, or its root is not known.",
            f"Serve a chain that ends at a known root, then: hpkp probe {case.policy.host}.",
            _evidence(found),
            withholds=True,
        )


def some_paths(case: Situation) -> Iterator[Finding]:
    """Withhold `ready` while a release in use has pins on some paths that devices may build, and not on others.

    Most releases cannot report, so nothing would show that some of their devices refuse the chain.
    """
    # Which path a device builds depends on its own store, so the number of those locked out is unknown.
    if found := _of_outcome(case, Outcome.SOME_PATHS):
        yield Finding(
            "release_matches_some_paths",
            Severity.WARNING,
            f"Devices may build a path without a pin of these releases: {_name(found)}.",
            "Serve a chain whose leaf has a key that they pin. In the next release, pin the key of the leaf, or every "
            f"root at which a path may end. If no install of a release matters, retire it: `{_retire(found[0])}`.",
            _evidence(found),
            withholds=True,
        )


def expired_releases(case: Situation) -> Iterator[Finding]:
    """Name the releases in use whose pins have expired."""
    # They accept every chain, so they cannot be locked out; that they are unprotected ends with an update.
    if found := _of_outcome(case, Outcome.EXPIRED):
        yield Finding(
            "release_unprotected",
            Severity.INFO,
            f"The pins of these releases have expired, so they accept every chain: {_name(found)}.",
            "Release an update with new pins, if the app should still pin.",
            _evidence(found),
        )


def silent_releases(case: Situation) -> Iterator[Finding]:
    """Say of which releases no report can ever come."""
    # Information: it only says why their days are no evidence. Whether they match was checked without reports.
    if found := [check for check in case.evidence.releases if check.in_use and not check.can_report]:
        yield Finding(
            "release_cannot_report",
            Severity.INFO,
            f"These releases cannot report: {_name(found)}. Their registered pins are the only evidence.",
            "Register every release with `hpkp app import`, and probe the host.",
            _evidence(found),
        )


def reporting_elsewhere(case: Situation) -> Iterator[Finding]:
    """Say of which releases the reports go to another collector, as far as is known here."""
    host, uri = case.policy.host, case.policy.report_uri
    if found := [
        check
        for check in case.evidence.releases
        # A canary proves the report-uri of the policy, and no other one.
        if check.in_use and check.can_report and not check.release.reports_to(host, uri)
    ]:
        yield Finding(
            "release_reports_elsewhere",
            Severity.INFO,
            f"These releases report to another host than the report-uri of the policy: {_name(found)}. No canary shows "
            "that their reports arrive, so their registered pins are the only evidence.",
            "If their report-uri leads to this collector, use it in the policy: `hpkp policy set "
            f"{host} --report-uri URI`. Otherwise release an update with a report-uri at {uri}.",
            _evidence(found),
        )


def differing_pins(case: Situation) -> Iterator[Finding]:
    """Show releases whose reports name other pins than their registered configuration."""
    # Either the registry or the build is not as the operator recorded it, so the checks of that release rest on wrong
    # pins.
    if found := [one for one in case.evidence.reporting if one.state is Registered.PINS_DIFFER]:
        first = found[0]
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        yield Finding(
            "release_pins_differ",
            Severity.WARNING,
            f"{first} reports other pins than it is registered with{more}. A remote update, another build or a wrong "
            "import may be the reason. Its reports are judged by the pins that they name.",
            f"Compare both sets in the details, and import the configuration of that build: hpkp app show {first.app} "
            f"{first.version}.",
            {
                "releases": [
                    {
                        "app": one.app,
                        "version": one.version,
                        "platform": "" if one.release is None else one.release.platform.value,
                        "reports": one.reports,
                        "violations": list(one.violations[:_LISTED]),
                        "reported_pins": sorted(map(str, one.reported_pins)),
                    }
                    for one in found[:_LISTED]
                ]
            },
        )


def unregistered_releases(case: Situation) -> Iterator[Finding]:
    """Withhold `ready` while versions of registered apps report that are not registered themselves.

    They count as in use. A violation does not say which version reported it, so one with the pins of a retired release
    would otherwise be excused with that release.
    """
    if found := [one for one in case.evidence.reporting if one.state is Registered.NO]:
        named = ", ".join(f"{one} ({one.reports:,} reports)" for one in found[:_SHOWN])
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        first = found[0]
        yield Finding(
            "release_not_registered",
            Severity.WARNING,
            f"Reports name releases that are not registered: {named}{more}. They are judged by the pins that they "
            "report, and their installs are unknown.",
            f"Import their configuration: `hpkp app import FILE --app {first.app} --release-version "
            f"{first.version or 'VERSION'}`; or set their violations to expected or ignored.",
            {
                "releases": [
                    {
                        "app": one.app,
                        "version": one.version,
                        "sender": one.sender.value,
                        "reports": one.reports,
                        "violations": list(one.violations[:_LISTED]),
                    }
                    for one in found[:_LISTED]
                ]
            },
            withholds=True,
        )


def _of_outcome(case: Situation, outcome: Outcome) -> list[ReleaseCheck]:
    """Return the releases in use with an outcome, in the order of the evidence."""
    return [check for check in case.evidence.releases if check.in_use and check.outcome is outcome]


def _name(checks: Iterable[ReleaseCheck]) -> str:
    """Name releases with their installs, the first few."""
    checks = list(checks)
    named = ", ".join(f"{check.release}: {describe_installs(check.installs)}" for check in checks[:_SHOWN])
    return f"{named}; and {len(checks) - _SHOWN} more" if len(checks) > _SHOWN else named


def describe_installs(installs: ReleaseInstalls | None) -> str:
    """Say how many installs a release has, and of how many."""
    if installs is None:
        return "installs unknown"
    share = "" if installs.share is None else f" ({installs.share:.1%})"
    at_least = "at least " if installs.is_lower_bound else ""
    return f"{at_least}{installs.count:,} of {installs.of:,} installs{share} on {installs.day}"


def _retire(check: ReleaseCheck) -> str:
    """Write the command that retires a release."""
    release = check.release
    return f"hpkp app retire {release.app} {release.version} --platform {release.platform}"


def _evidence(checks: Iterable[ReleaseCheck]) -> dict[str, object]:
    """Return the facts of releases, as many as a finding lists."""
    return {
        "releases": [
            {
                "app": check.release.app,
                "version": check.release.version,
                "platform": check.release.platform.value,
                "installs": None if check.installs is None else check.installs.count,
                "of": None if check.installs is None else check.installs.of,
                "can_report": check.can_report,
            }
            for check in list(checks)[:_LISTED]
        ]
    }


RULES = (
    locked_out_releases,
    left_behind_monitors,
    unknown_releases,
    some_paths,
    expired_releases,
    silent_releases,
    reporting_elsewhere,
    differing_pins,
    unregistered_releases,
)
