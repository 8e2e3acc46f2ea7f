"""Whether a client is locked out: it enforces pins, and no pin that it enforces is on its path.

Two questions with one answer. *Would enforcing the expected pins end this connection?* For a client that reports only.
*Did it end?* For a client that enforces pins of ours already: it is judged by the pins that it knows, and it stays
locked out until a browser's max-age has passed or an app is updated.

A connection that fails anyway (not trusted, expired, wrong name) is not lost to the pins. Browsers accept chains to a
root that the user installed (RFC 7469 section 2.6); apps with pins do not: the sender's record says which.
"""

from dataclasses import dataclass

from app.hpkp.judgement.context import JudgementContext
from app.hpkp.judgement.releases import ClientRelease
from app.hpkp.policy import Mode
from app.hpkp.user_agents.model import LocalRoots
from app.hpkp.x509.anchors import Anchor
from app.hpkp.x509.paths import Presence


@dataclass(frozen=True, slots=True)
class LockoutResult:
    """Yes, no, or None if the report does not show it; and why, in one sentence."""

    answer: bool | None
    why: str


def would_lock_out(context: JudgementContext, *, implausible: bool = False, control: bool = False) -> LockoutResult:
    """Say whether enforcing ends, or ended, the connection that was reported; the first step that answers counts.

    1. A report that shows nothing about the pins of the policy.
    2. A client of a registered release is judged by the pins that it carries.
    3. A client that enforces pins once published here, and found none of them, has refused the connection.
    4. Without a policy or a readable chain there is nothing to compare.
    5. An expected pin is on every path that the client may have taken.
    6. The connection fails without pins too.
    7. The path ends at a root of no store, which some clients exempt from pins.
    8. No expected pin is on a path that clients trust.
    """
    # 1: an untrusted chain belongs here, too, because a client that does not trust the path never compares pins.
    if control:
        return LockoutResult(False, "Control pins match no key by design; the report does not concern your pins.")
    if implausible:
        return LockoutResult(None, "The report contradicts itself, so it shows nothing about real clients.")
    if context.untrusted_by_sender:
        return LockoutResult(False, "The chain is untrusted, so the connection fails without pins too.")
    # 2: before 3, because max-age does not end the pins of an app, and because its pins need never have been the
    # policy's (decision record 38).
    if context.release is not None and (context.mode is Mode.ENFORCE or context.policy is None):
        return _by_its_release(context, context.release)
    # 3: before the expected pins. A client with outdated pins has refused a chain that is right by the policy; answered
    # by the policy alone, it would count as not locked out.
    if _refused_with_pins_of_ours(context):
        return LockoutResult(
            True, f"The client enforces pins of yours, and its path has none of them: {_until(context)}"
        )
    # 4
    if context.policy is None:
        return LockoutResult(None, "No policy is in force.")
    if context.leaf_element is None or context.leaf_element.pin is None:
        return LockoutResult(None, "The chain cannot be parsed.")
    # 5
    presence = context.expected_presence
    if presence is Presence.EVERY:
        return _matched(context)
    # 6
    if failure := _fails_anyway(context):
        return failure
    # 7: not for a key or chain of the operator's, whose root may only be unknown here.
    if context.anchor in (Anchor.PRIVATE, Anchor.KNOWN_BAD, Anchor.UNKNOWN) and not _ours(context):
        return _under_unknown_root(context)
    # 8
    return _without_pin(context, presence)


def _by_its_release(context: JudgementContext, release: ClientRelease) -> LockoutResult:
    """Say whether the pins that the client carries end the connection.

    Only of a client that enforces them, or without a policy: one that reports only is asked what a release with the
    expected pins would do, like any other.
    """
    if context.leaf_element is None or context.leaf_element.pin is None:
        return LockoutResult(None, "Without a readable chain this is unknown.")
    presence = context.presence(context.known)
    if presence is Presence.EVERY and not context.known_failed:
        return LockoutResult(False, f"A pin of {release.describe()} is on the path.")
    if failure := _fails_anyway(context):
        return failure
    # Under a root of no store it may be interception, unless the chain is one of the operator's.
    if not context.ours_is_served and context.anchor in (Anchor.PRIVATE, Anchor.KNOWN_BAD, Anchor.UNKNOWN):
        return _under_unknown_root(context)
    # One decision has to end a lockout that no update will reach (decision record 39).
    if release.retired:
        return LockoutResult(False, f"You retired {release.describe()}: its installs do not count.")
    if context.compared is not None or context.proof.pins_failed:
        until = f"until {_ENDS}" if context.mode is Mode.ENFORCE else f"if it enforced its pins, until {_ENDS}"
        return LockoutResult(True, f"No pin of {release.describe()} is on the path: it is locked out {until}.")
    # If the root is not known, its pin may be the one that the client has (decision record 35).
    if presence is Presence.NONE and context.anchored:
        return LockoutResult(True, f"No known path of this leaf has a pin of {release.describe()}.")
    return LockoutResult(None, "The path that the client validated is unknown.")


_ENDS = "it is updated or a key that it pins is served"


def _refused_with_pins_of_ours(context: JudgementContext) -> bool:
    """Whether the client enforces pins that were once published here, and its path has none of them.

    That is a refused connection by the client's own rule, whatever the policy expects now. It says nothing about
    chains that fail anyway, nor about roots that this client may have accepted without pins.
    """
    return (
        context.mode is Mode.ENFORCE
        and (context.proof.pins_failed is True or _shows_that_pins_failed(context))
        and bool(context.known & context.ever_expected)
        and context.leaf_element is not None
        and not (context.compared or frozenset()) & context.known
        and _fails_anyway(context) is None
    )


def _shows_that_pins_failed(context: JudgementContext) -> bool:
    """Whether the certificates show what a sender of no known kind does not prove: no known pin on any of its paths.

    Only for a chain of ours or to a known root: a client of no known kind may exempt a root that the user installed.
    """
    if context.proof.pins_failed is not None or not (context.anchored or _ours(context)):
        return False
    return context.presence(context.known) is Presence.NONE


def _until(context: JudgementContext) -> str:
    """Say what ends the lockout: an update of the app, the browser's max-age, or either if the sender is unknown."""
    if context.model.pins_in_app:
        return "it is locked out until it is updated."
    if context.model.pins_in_app is None:
        return "it is locked out until its max-age has passed, or, if it is a program with pins, until it is updated."
    return "it is locked out until its max-age has passed."


def _ours(context: JudgementContext) -> bool:
    """Whether it is the operator's own key or chain that the client met."""
    return context.leaf_is_ours or bool(context.connected_pins & context.expected)


def _matched(context: JudgementContext) -> LockoutResult:
    """Answer for a path with an expected pin: sure only if the path is known, or the pin is the leaf's own."""
    leaf = context.leaf_element
    if context.compared is not None or (leaf is not None and leaf.pin in context.expected):
        return LockoutResult(False, "The validated chain contains an expected pin.")
    # The client compared all expected pins and found none, so it built a path that is not known here.
    if context.known_failed and context.expected <= context.known:
        return LockoutResult(True, "The client had the expected pins and none matched its path.")
    # A client that holds an intermediate as its trust anchor stops there, below the pin.
    return LockoutResult(None, "Every known path has an expected pin, but the client's path is unknown.")


def _fails_anyway(context: JudgementContext) -> LockoutResult | None:
    """Say why the connection fails without pins, if it does; never against what the client says that it checked."""
    # A client that came to compare pins had not refused the dates or the name before.
    if context.trusted_by_sender or context.proof.pins_failed:
        return None
    if context.out_of_date:
        return LockoutResult(
            False, "A certificate is expired or not yet valid, so the connection fails without pins too."
        )
    if context.leaf is not None and not context.host_name_matches:
        return LockoutResult(False, "The leaf is for another host, so the connection fails without pins too.")
    return None


def _under_unknown_root(context: JudgementContext) -> LockoutResult:
    """Answer for a path to a root of no store: browsers exempt those that the user installed, apps do not."""
    # Chromium reports no path to a root that the user installed. Judged by our stores, a real lockout would be missed:
    # a root that left the store can still be shipped.
    if context.proof.shipped_root:
        return LockoutResult(True, "The client ships the root of this path, and no expected pin is on it.")
    # A chain that was only sent does not show that the client trusts its root.
    unseen = context.path is None or context.path.stored_as is Anchor.UNKNOWN
    if not context.validated and (unseen or not context.trusted_by_sender):
        return LockoutResult(None, "The client may not trust this root.")
    if context.model.local_roots is LocalRoots.UNKNOWN:
        return LockoutResult(None, "Browsers exempt user-installed roots, apps do not, and the sender is unknown.")
    if context.model.local_roots is LocalRoots.BYPASS:
        return LockoutResult(False, "Browsers exempt user-installed roots.")
    return LockoutResult(True, "No expected pin matches, and apps enforce pins against user-installed roots.")


def _without_pin(context: JudgementContext, presence: Presence) -> LockoutResult:
    """Answer for a path that may lack an expected pin, by what is known of the client's own path."""
    if context.compared is not None:
        return LockoutResult(True, "The validated chain contains no expected pin.")
    # Its path is unknown, but its result is not: it had all expected pins and none matched.
    if context.proof.pins_failed and context.expected <= context.known:
        return LockoutResult(True, "The client had the expected pins and none matched its path.")
    if presence is Presence.SOME:
        return LockoutResult(None, "An expected pin is on some paths of this leaf and not on others.")
    if presence is Presence.NONE and context.anchored:
        return LockoutResult(True, "No known path of this leaf has an expected pin.")
    return LockoutResult(None, "The path that the client validated is unknown.")
