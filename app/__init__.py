"""HPKP violation report collector: receives pin violation reports, judges them, says when enforcing is safe."""

__version__ = "0.1.0"
