"""The names under which the service's metrics can be asked for."""

from app.metrics import Metrics

_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}


def metric_names() -> set[str]:
    """Return every name of a series."""
    families = Metrics().registry.collect()
    return {f"{family.name}{suffix}" for family in families for suffix in _SUFFIXES[family.type]}
