"""How many connections the limit of open files leaves room for. Knows the process's limits, and nothing else."""

import resource

_OTHER_FILES = 128
"""Descriptors for everything but connections from outside: the store, the log, connections outward."""


def room_for_connections() -> int:
    """Return how many connections this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 30 if soft == resource.RLIM_INFINITY else max(1, soft - _OTHER_FILES)


def make_room_for_connections(wanted: int) -> int:
    """Raise the limit of this process and of those that it starts as far as needed and allowed; return for how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    return min(wanted, room_for_connections())
