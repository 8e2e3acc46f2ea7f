"""Which IP addresses are on the public Internet, also in the forms in which an IPv6 address contains an IPv4 one.

Sources: the IANA special-purpose address registries (RFC 6890), RFC 4291 section 2.5.5 (IPv4-mapped, IPv4-compatible),
RFC 6052 section 2.1 (NAT64), RFC 8215 (NAT64 for local use), RFC 3056 section 2 (6to4), RFC 3879 (site-local).
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

_GLOBAL_UNICAST = IPv6Network("2000::/3")
"""The only part of IPv6 that IANA gives out: outside are site-local, IPv4-compatible and local NAT64 addresses."""
_NAT64 = IPv6Network("64:ff9b::/96")
_SPECIAL = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")))
"""For protocols, relays of 6to4, and documentation: some versions of the standard library call these global."""


def is_public(address: str) -> bool:
    """Whether an address is on the public Internet. A scope id does not count; raises ValueError for no address."""
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address):
        if (inner := _embedded(parsed)) is not None:
            return is_public(str(inner))
        if parsed not in _GLOBAL_UNICAST:
            return False
    special = any(parsed.version == network.version and parsed in network for network in _SPECIAL)
    return parsed.is_global and not parsed.is_multicast and not special


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address to which a packet for an IPv6 address goes, or None."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
