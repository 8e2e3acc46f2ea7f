"""The verdict for each registered release: whether it may enforce, must not, or whether that cannot be decided.

A release that enforces is asked whether it still works: the served chains decide. One that only reports is asked
whether a build with the same pins may enforce: the chains decide first, then the covered days of its audience.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.hpkp.app_pins.exposure import audience_of
from app.hpkp.app_pins.forms import Form
from app.hpkp.app_pins.lockout import Outcome, Place, ReleaseCheck
from app.hpkp.app_pins.reporting import Registered
from app.hpkp.audience import Audience
from app.hpkp.judgement.causes import OF_RELEASES, Cause
from app.hpkp.readiness.evidence import ReadinessInput, Verdict


@dataclass(frozen=True, slots=True)
class ReleaseAnswer:
    """The verdict for a release in use, with the reason in one sentence."""

    check: ReleaseCheck
    verdict: Verdict
    reason: str


def assess_releases(inputs: ReadinessInput, audiences: Mapping[Audience, Verdict]) -> tuple[ReleaseAnswer, ...]:
    """Give the verdict for each release in use, the worst first; ``audiences`` are the verdicts by covered days."""
    found = [
        ReleaseAnswer(check, *_assess(inputs, check, audiences)) for check in inputs.evidence.releases if check.in_use
    ]
    order = (Verdict.NOT_READY, Verdict.NOT_ENOUGH_DATA, Verdict.READY)
    return tuple(sorted(found, key=lambda answer: order.index(answer.verdict)))


def _assess(inputs: ReadinessInput, check: ReleaseCheck, audiences: Mapping[Audience, Verdict]) -> tuple[Verdict, str]:
    """Decide in this order: the served chains, the age of the probe, then the days of the audience.

    Reports can only make it worse: if they name other pins than the registered ones, or by the verdict of the audience.
    """
    match check.outcome:
        case Outcome.LOCKED_OUT:
            return Verdict.NOT_READY, "It is locked out now: a chain that is served has none of its pins."
        case Outcome.WOULD_BE_LOCKED_OUT:
            return Verdict.NOT_READY, "A chain that is served has none of its pins."
        # It works, but a release that checks nothing is not what `ready` promises.
        case Outcome.EXPIRED:
            return Verdict.NOT_READY, "Its pins have expired: it accepts every chain."
        case Outcome.UNKNOWN:
            seen = inputs.evidence.live is not None
            return Verdict.NOT_ENOUGH_DATA, (
                "A chain that is served cannot be checked." if seen else "The host was not probed."
            )
        case Outcome.SOME_PATHS:
            return Verdict.NOT_ENOUGH_DATA, "Its pins are not on every path that devices may build."
        case Outcome.MATCHES:
            pass
    # Reports only make it worse: anybody can send them (decision record 39).
    if numbers := _reported_without(inputs, check):
        return Verdict.NOT_READY, f"Reports show chains of yours without any of its pins: hpkp explain {numbers[0]}."
    verdict, reason = _of_monitor(check, audiences) if check.reports_only else _of_enforcing(check)
    # After the reports, because missing evidence must not soften what is known to fail.
    missing = next(_missing(inputs, check), None)
    return (Verdict.NOT_ENOUGH_DATA, missing) if verdict is Verdict.READY and missing else (verdict, reason)


def _of_enforcing(check: ReleaseCheck) -> tuple[Verdict, str]:
    """Say that a release that enforces works with every chain that is served."""
    fits = f"It enforces, and every chain that is served has a pin of it{_where(check)}."
    return Verdict.READY, fits + _silent(check)


def _of_monitor(check: ReleaseCheck, audiences: Mapping[Audience, Verdict]) -> tuple[Verdict, str]:
    """Say whether a build with the same pins may enforce."""
    # A build that enforces cannot be changed when a key is lost: one pin of each layer has to be of a key in reserve.
    if any(not layer.spare for layer in check.layers):
        return Verdict.NOT_READY, "Every pin is in use, so none is left if a key is lost."
    audience = audience_of(check.release)
    # Installs that were recorded without a version make the whole app one audience.
    found = audiences.get(audience, audiences.get(Audience(audience.app)))
    if found is None:
        return (
            Verdict.NOT_ENOUGH_DATA,
            "Its installs are unknown, it cannot report here, or it has other pins than the policy: no day is "
            "evidence.",
        )
    # From Android 7 on the system enforces the same pins for all other connections: they are not monitored.
    own = ""
    if any(layer.form is Form.TRUSTKIT_ANDROID for layer in check.layers):
        own = " TrustKit for Android only reports connections that use its own trust manager."
    return found, {
        Verdict.READY: f"Its covered days are enough, and a build with the same pins may enforce them.{own}",
        Verdict.NOT_READY: "A blocker of the host or of its reports holds for it.",
        Verdict.NOT_ENOUGH_DATA: "Evidence is missing for it or the host.",
    }[found]


def _reported_without(inputs: ReadinessInput, check: ReleaseCheck) -> list[int]:
    """Find open violations in which the release met a chain of ours that it does not accept."""
    open_ones = {one.id for one in inputs.evidence.open_violations if one.cause in _OWN_CHAINS}
    reported = (one for one in inputs.evidence.reporting if one.release == check.release)
    return sorted(open_ones & {number for one in reported for number in one.violations})


# Causes in which the chain was the operator's: interception and forged chains are no fault of the release.
_OWN_CHAINS = OF_RELEASES | {Cause.OWN_KEY_NOT_PINNED, Cause.OTHER_TRUST_PATH}


def _missing(inputs: ReadinessInput, check: ReleaseCheck) -> Iterator[str]:
    """Yield what is missing for a verdict `ready` on a release, whatever its mode."""
    live = inputs.evidence.live
    # The chains decide, so they have to be those that are served now, at every address.
    if live is None or inputs.at - live.probe.at > inputs.limits.probe_age:
        yield "The last probe is too old to say what is served now."
    elif unseen := [endpoint.address for endpoint in live.probe.endpoints if not endpoint.chains]:
        yield f"The last probe saw no chain at {unseen[0]}."
    elif live.probe.fault is not None or not live.probe.endpoints:
        yield "The last probe did not reach the host."
    if any(one.state is Registered.PINS_DIFFER and one.release == check.release for one in inputs.evidence.reporting):
        yield "Reports name other pins than it is registered with."


def _where(check: ReleaseCheck) -> str:
    """Say where on the path its pins are; of an intermediate's pin, what that risks."""
    if check.places == (Place.INTERMEDIATE,):
        return ", that of an intermediate, which the CA can change at any renewal"
    return f" ({', '.join(place.value for place in check.places)})" if check.places else ""


def _silent(check: ReleaseCheck) -> str:
    """Say that no report can confirm the answer, if the release cannot report."""
    return "" if check.can_report else " It cannot report: its registered pins are the only evidence."
