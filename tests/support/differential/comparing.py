"""Compare the judgement with the right answers, and the verifier of this test with OpenSSL."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.hpkp.judgement.judge import Judgement
from tests.support.differential.answers import TRUSTED_ANCHORS, Answer, hides_the_path, right_answer
from tests.support.differential.bodies import write_report
from tests.support.differential.certificates import Certificate
from tests.support.differential.clients import Connection
from tests.support.differential.generator import make_world
from tests.support.differential.judging import judge_body
from tests.support.differential.openssl import openssl_path
from tests.support.differential.verifier import Verifier
from tests.support.differential.world import Family, World


@dataclass(frozen=True, slots=True)
class Comparison:
    """A world, the right answers, and the judgement."""

    world: World
    connection: Connection
    answer: Answer
    judgement: Judgement

    @property
    def forged(self) -> bool:
        """Whether no client sent the report."""
        return self.world.forgery is not None

    @property
    def cause_right(self) -> bool:
        """Whether the cause is one of the right ones."""
        return self.judgement.cause.value in self.answer.causes

    @property
    def lock_out_wrong(self) -> bool:
        """Whether a definite answer is the wrong one."""
        return self.judgement.locks_out is not None and self.judgement.locks_out not in self.answer.locks_out

    @property
    def trusts_a_forgery(self) -> bool:
        """Whether an invalid link is trusted, or a forged report blocks enforcing."""
        trusted = self.world.broken and self.judgement.anchor.value in TRUSTED_ANCHORS
        return trusted or (self.forged and not self.cause_right)

    @property
    def shows_all(self) -> bool:
        """Whether an honest report shows what was compared, and the behavior of its sender is known."""
        client = self.world.client
        known = client.family is not Family.RFC7469 and not hides_the_path(client)
        return not self.forged and known and bool(self.world.policies.expected)

    @property
    def agrees(self) -> bool:
        """Whether the judgement is right."""
        return self.cause_right and not self.lock_out_wrong and not self.trusts_a_forgery

    @property
    def kind(self) -> str:
        """Name the disagreement; equal names are grouped."""
        client = self.world.client
        result = "forged" if self.forged else "trusted" if self.connection.trusted else "untrusted"
        forgery = self.world.forgery
        right = forgery.how if forgery else "|".join(sorted(self.answer.causes))
        said = f"{self.judgement.cause.value}, locks_out {self.judgement.locks_out}"
        if self.world.broken:
            said += f", anchor {self.judgement.anchor.value}"
        locks = "/".join(map(str, sorted(self.answer.locks_out)))
        return f"{client.family}, {result}: right {right}, locks_out {locks}; said {said}"

    def __str__(self) -> str:
        return describe(self)


def compare(number: int) -> Comparison:
    """Make a world, let its client report, and judge the report."""
    world, connection = make_world(number)
    body = write_report(world, connection)
    return Comparison(world, connection, right_answer(world, connection), judge_body(world, body))


def describe(comparison: Comparison) -> str:
    """Describe a world in a few lines: the situation, the chains, the pins, both answers."""
    world, connection, judgement = comparison.world, comparison.connection, comparison.judgement
    client, policies = world.client, world.policies
    path = world.forgery.validated if world.forgery else connection.path
    named = (*world.served, *client.cached, *client.store.anchors, *world.knowledge.anchors, *(path or ()))
    names = {certificate.pin: certificate.label for certificate in reversed(named)}
    traits = [
        trait
        for trait in ("enforcing", "pin_only", "system_checks_pins", "on_macos", "validates_to_report")
        if getattr(client, trait)
    ]
    lines = (
        f"world {world.seed}: {client.family} ({', '.join(traits)}): {world.summary}",
        f"  clock     {client.clock:%Y-%m-%d} {client.calendar.value}",
        f"  served    {_labels(world.served)}",
        f"  cached    {_labels(client.cached)}",
        f"  path      {_labels(path) if path else connection.failure}",
        f"  store     {_labels(client.store.shipped)} + {_labels(client.store.installed)}",
        f"  knows     {_labels(world.knowledge.intermediates)}",
        f"  expected  {_pins(policies.expected, names)}; previous {_pins(policies.previous, names)}; "
        f"future {_pins(policies.future, names)}; own {_pins(policies.own_keys, names)}",
        f"  known     {_pins(client.known_pins, names)}",
        f"  right     {', '.join(sorted(comparison.answer.causes))}; locks_out {sorted(comparison.answer.locks_out)}",
        f"  said      {judgement.cause.value}; locks_out {judgement.locks_out}; anchor {judgement.anchor.value}: "
        f"{judgement.why} {judgement.locks_out_why}",
    )
    return "\n".join(lines)


def _labels(certificates: Iterable[Certificate]) -> str:
    return ", ".join(certificate.label for certificate in certificates) or "-"


def _pins(pins: Iterable[str], names: dict[str, str]) -> str:
    return ", ".join(sorted(names.get(pin, pin[:6]) for pin in pins)) or "-"


def verifier_faults(world: World) -> Iterator[str]:
    """Compare the verifier of this test with OpenSSL for every store of the world; yield the differences."""
    client, knowledge = world.client, world.knowledge
    leaf, others = world.served[0], (*world.served[1:], *client.cached)
    stores = {"client": client.store.anchors, "collector": knowledge.anchors, "public": knowledge.public}
    for name, store in stores.items():
        paths = Verifier(client.clock).paths(leaf, others, store)
        found = openssl_path(leaf, others, store, client.clock)
        if isinstance(found, tuple) and found not in {tuple(c.der for c in path) for path in paths}:
            yield f"world {world.seed}, {name}: OpenSSL validates a path that the verifier does not know"
        for path in paths:
            # Left no choice, OpenSSL has to take each of the paths.
            alone = openssl_path(leaf, path[1:-1], path[-1:], client.clock)
            if alone != tuple(c.der for c in path):
                reason = alone if isinstance(alone, str) else "it takes another path"
                yield f"world {world.seed}, {name}: OpenSSL refuses {_labels(path)}: {reason}"
