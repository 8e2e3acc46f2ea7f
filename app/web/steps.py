"""What to do about a violation: imperative steps, with the server, certificate and pin that they are about. Pure.

::

    violation, its evaluated chain, the last probe, the policy ──write_steps──> Steps, the first one first
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.hpkp.judgement.causes import Cause
from app.hpkp.pins import Pin
from app.hpkp.policy import PinningPolicy
from app.hpkp.probe_result import ProbedHost
from app.hpkp.x509.certificate import Certificate
from app.store.read.violations import Violation
from app.usecases.violations import AnnotatedCertificate, ViolationDetail

_CLOSE = "Set the status to resolved: it counts again if it is reported again."


@dataclass(frozen=True, slots=True)
class Step:
    """One step. ``pin`` is a pin ready to add; ``target`` and ``label`` are a link to where the step is done."""

    text: str
    pin: Pin | None = None
    target: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class _Situation:
    violation: Violation
    chain: Sequence[AnnotatedCertificate]
    live: ProbedHost | None
    policy: PinningPolicy | None

    @property
    def failing(self) -> Certificate | None:
        """The first certificate that explains the failure; without one, the leaf."""
        marked = [found.element for found in self.chain if found.finding.failing]
        readable = [one for one in (*marked, *(found.element for found in self.chain)) if isinstance(one, Certificate)]
        return next(iter(readable), None)

    @property
    def leaf(self) -> Certificate | None:
        return next((found.element for found in self.chain if isinstance(found.element, Certificate)), None)

    def where(self, pin: Pin) -> str:
        """Name the addresses at which the last probe found a key."""
        if self.live is None:
            return ""
        addresses = dict.fromkeys(chain.address for chain in self.live.chains if chain.leaf_pin == pin)
        return ", ".join(list(addresses)[:4])


def write_steps(detail: ViolationDetail, live: ProbedHost | None, policy: PinningPolicy | None) -> list[Step]:
    """Write what to do, the first step first."""
    violation = detail.violation
    chain = detail.served if violation.judgement.judged_chain == "served" else detail.validated
    situation = _Situation(violation, chain or (), live, policy)
    steps = list(_STEPS[violation.judgement.cause](situation))
    if policy is None:
        edit = f"/hosts/{violation.host}/policy"
        steps.insert(0, Step("Set the expected pins of the host; stored violations are then evaluated again.",
                             target=edit, label="Set policy"))  # fmt: skip
    return steps


def _name_certificate(certificate: Certificate | None) -> str:
    if certificate is None:
        return "the certificate"
    serial = "" if certificate.serial_number is None else f" with serial number {certificate.serial_number:x}"[:50]
    issued = "" if certificate.not_before is None else f" (issued {certificate.not_before:%Y-%m-%d})"
    return f"the certificate{serial}{issued}"


def _own_key(found: _Situation) -> Iterator[Step]:
    leaf = found.leaf
    where = "" if leaf is None else found.where(leaf.pin)
    seen = f"; the last probe found this key at {where}" if where else ""
    yield Step(f"Find the server with {_name_certificate(leaf)}{seen}.")
    yield Step(
        "Deploy a certificate with a pinned key there, or add this pin to the policy:",
        pin=None if leaf is None else leaf.pin,
    )
    yield Step(_CLOSE, target="#status-title", label="Set status")


def _other_path(found: _Situation) -> Iterator[Step]:
    leaf = found.leaf
    yield Step(
        "Add the pin of a key that is in every chain. The leaf key of your certificate is in all of them:",
        pin=None if leaf is None else leaf.pin,
    )
    yield Step("Keep a backup key offline and pinned, so that the next renewal locks out no client.")
    yield Step(_CLOSE, target="#status-title", label="Set status")


def _unknown_key(found: _Situation) -> Iterator[Step]:
    leaf = found.leaf
    edit = f"/hosts/{found.violation.host}/policy"
    yield Step(
        f"Treat this as a possible attack: find out who ordered {_name_certificate(leaf)}.",
        target="" if leaf is None else f"https://crt.sh/?sha256={leaf.fingerprint.hex()}",
        label="Search crt.sh",
    )
    yield Step("If the key is yours, add it to your keys in the policy:", pin=None if leaf is None else leaf.pin)
    issuer = "its CA" if leaf is None else (leaf.issuer_common_name or leaf.issuer)[:80]
    yield Step(f"If it is not, ask {issuer} to revoke the certificate, and keep the pins: they protect the clients.",
               target=edit, label="Open policy")  # fmt: skip


def _bad_key(found: _Situation) -> Iterator[Step]:
    names = [name for one in found.chain for name in one.known_bad]
    named = f": {', '.join(dict.fromkeys(names))[:160]}" if names else ""
    yield Step(f"Find the software or network that these clients share{named}.")
    yield Step("Warn these users. Keep the pins: they protect the clients from this key.")


def _stale(found: _Situation) -> Iterator[Step]:
    del found
    yield Step("Serve a chain that contains a key these clients have pinned (see Known pins).",
               target="#known", label="Known pins")  # fmt: skip
    yield Step("Release an app update with the current pins. Browsers drop outdated pins when max-age ends.")


def _expired_release(found: _Situation) -> Iterator[Step]:
    del found
    yield Step("Release an app update with new pins: installs of this release accept every chain.")
    yield Step("If the release should still check pins, compare its registered configuration with the build.",
               target="/apps", label="Apps")  # fmt: skip


def _unmatched_release(found: _Situation) -> Iterator[Step]:
    del found
    yield Step("Compare the pins of the release with the keys that you serve.", target="/apps", label="Apps")
    yield Step("Release an app update with pins of keys that you serve.")
    yield Step(_CLOSE, target="#status-title", label="Set status")


def _release_left_behind(found: _Situation) -> Iterator[Step]:
    yield Step(
        "Serve a chain with a key that the release pins; "
        f"`hpkp app keys {found.violation.host}` finds one for all releases.",
        target="/apps",
        label="Apps",
    )
    yield Step("If you cannot, make its users update: installs that enforce their pins stay locked out until then.")
    yield Step(_CLOSE, target="#status-title", label="Set status")


def _foreign(found: _Situation) -> Iterator[Step]:
    del found
    yield Step("Search server configurations and app releases for the pins that these clients know.",
               target="#known", label="Known pins")  # fmt: skip


def _interception(found: _Situation) -> Iterator[Step]:
    issuer = "the issuer" if found.leaf is None else (found.leaf.issuer_common_name or found.leaf.issuer)[:80]
    yield Step(f"Find out whether {issuer} is a proxy of your organization or of your customers.")
    yield Step("Decide whether apps behind it may be locked out. Browsers exempt local roots, apps do not.")
    yield Step("If it is known and acceptable, set the status to expected.", target="#status-title", label="Set status")


def _clock(found: _Situation) -> Iterator[Step]:
    leaf = found.leaf
    dates = "" if leaf is None else f": it is valid from {leaf.validity_text}"
    yield Step(f"Check the dates of {_name_certificate(leaf)}{dates}.")
    yield Step("Do not change the pins: the connection fails with or without them.")


def _name(found: _Situation) -> Iterator[Step]:
    names = () if found.leaf is None else found.leaf.names[:3]
    shown = f" ({', '.join(names)[:120]})" if names else ""
    yield Step(f"If a name in the certificate{shown} is yours, check the virtual hosts of your servers.")
    yield Step("If not, no action is needed: login pages of public networks answer like this.")


def _untrusted(found: _Situation) -> Iterator[Step]:
    del found
    yield Step("Check that every server sends its intermediate certificates.")
    yield Step("Do not change the pins: the connection fails with or without them.")


def _no_evidence(found: _Situation) -> Iterator[Step]:
    del found
    yield Step("Read a stored report to see what the sender sent.", target="#reports", label="Stored reports")


def _nothing(found: _Situation) -> Iterator[Step]:
    del found
    yield Step("No action needed: these reports do not affect the verdict.")


_STEPS = {
    Cause.CONTROL: _nothing,
    Cause.NO_EVIDENCE: _no_evidence,
    Cause.IMPLAUSIBLE: _nothing,
    Cause.MATCHES_EXPECTED: _nothing,
    Cause.RELEASE_PINS_EXPIRED: _expired_release,
    Cause.RELEASE_NEVER_FITTED: _unmatched_release,
    Cause.RELEASE_LEFT_BEHIND: _release_left_behind,
    Cause.STALE_KNOWN_PINS: _stale,
    Cause.FOREIGN_PINS: _foreign,
    Cause.KNOWN_BAD_KEY: _bad_key,
    Cause.OTHER_TRUST_PATH: _other_path,
    Cause.OWN_KEY_NOT_PINNED: _own_key,
    Cause.CLOCK: _clock,
    Cause.NAME_MISMATCH: _name,
    Cause.UNTRUSTED_CHAIN: _untrusted,
    Cause.INTERCEPTION_PRODUCT: _interception,
    Cause.PRIVATE_ROOT: _interception,
    Cause.UNKNOWN_KEY_PUBLIC_CA: _unknown_key,
}
