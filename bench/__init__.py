"""Measurements of the service, beside limits and peers measured in the same run.

::

    __main__ ──> ingest, queries, memory ──> load, running, fill ──> bodies
                        └─> document (docs/performance.md)

May use everything of ``app`` and the maker of test certificates; nothing of ``app`` or ``tests`` may need it, but for
the smoke test. Figures go to docs/performance.md, temporary things below ``.cache/bench``.
"""
