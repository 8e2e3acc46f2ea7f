"""How many clients were told apart, and from where. Counting in bounded space is not exact: a count has two ends."""

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network


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


_INSIDE = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.168.0.0/16", "::/127", "fc00::/7", "fe80::/10",
        ),
    )
)  # fmt: skip


def network_of(address: str) -> str:
    """Return the network of an address, as large as one subscriber may have: a /24 of IPv4, a /48 of IPv6.

    Empty for what tells nothing of a sender: no address, or one from inside, such as that of a proxy which does not say
    for whom it asks.
    """
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if any(parsed.version == inside.version and parsed in inside for inside in _INSIDE):
        return ""
    return str(ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False))
