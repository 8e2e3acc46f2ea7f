"""How many clients were told apart. Counting them in bounded space is not exact, so a count has two ends."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientCount:
    """Distinct clients that reported: not fewer, about, and not more than so many.

    ``at_most`` bounds what was counted, never what there was: clients that did not report are in no count. Raises
    ValueError for ends in another order.
    """

    at_least: int = 0
    about: int = 0
    at_most: int = 0

    def __post_init__(self) -> None:
        """Refuse ends that are no ends."""
        if not 0 <= self.at_least <= self.about <= self.at_most:
            raise ValueError(f"no count of clients: {self.at_least}, {self.about}, {self.at_most}")

    @classmethod
    def exact(cls, count: int) -> "ClientCount":
        """Return a count that is what it says."""
        return cls(count, count, count)

    def __bool__(self) -> bool:
        """Whether any client may have been met."""
        return self.at_most > 0


NOBODY = ClientCount()
"""No client at all."""
