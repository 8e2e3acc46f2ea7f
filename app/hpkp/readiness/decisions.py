"""For how much a decision on violations holds: up to a multiple of what had been seen when it was made.

==========  ==================================================  ===========================================
`expected`  it is known and may go on, as long as its cause     all clients that ever reported the violation
            means the same for the verdict
`ignored`   it is not believed; nor is more of the same cause   the clients of the busiest day, of all that
            that comes only from its networks                   the decision leaves out
`resolved`  it was mended                                       nothing: it reopens with the next report
==========  ==================================================  ===========================================

A forger makes up as many clients as he likes, day after day, so what is ignored is measured by the day: a steady flood
stays ignored, and others behind the same network are heard as soon as they are many. What the certificates prove cannot
be made up, so ignoring it does not hold at all.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from app.hpkp.judgement.causes import ATTRIBUTIONS, IMPACTS, Cause
from app.hpkp.overflow import most_covered


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision on a violation; ``clients`` had been seen, None if nobody counted them then.

    ``cause`` is what the violation was judged to be, None if that was not recorded then.
    """

    at: datetime
    clients: int | None
    cause: Cause | None = None

    def is_about(self, cause: Cause) -> bool:
        """Whether the cause means the same as when it was made: what has another side or bearing was not decided on.

        Causes of one kind change into each other with every catalog, such as that of a proxy into a known product.
        """
        then = self.cause
        return then is None or (ATTRIBUTIONS[then], IMPACTS[then]) == (ATTRIBUTIONS[cause], IMPACTS[cause])

    def covers(self, clients: int) -> bool:
        """Whether it holds for so many clients."""
        return self.clients is None or clients <= most_covered(self.clients)


def find_outgrown_causes(
    ignored: Iterable[tuple[Cause, Decision]], busiest_day: Mapping[Cause, int]
) -> frozenset[Cause]:
    """Return the causes of which more clients reported on a day than any decision to ignore them holds for."""
    decisions: dict[Cause, list[Decision]] = {}
    for cause, decision in ignored:
        decisions.setdefault(cause, []).append(decision)
    return frozenset(
        cause
        for cause, made in decisions.items()
        # The widest decision counts, so that one new decision is enough to end a flood again.
        if not any(decision.covers(busiest_day.get(cause, 0)) for decision in made)
    )
