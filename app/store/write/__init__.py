"""The write side of the store: functions that take a connection and frozen values.

::

    FoldBatch ──fold──> FoldResult             one transaction counts a batch of the ingest log exactly once
    fold:     marks, deduplication, new_violations (chains), counts -> rollups, overflow, samples
    deletion: pruning (by age and reference), store_size (by the size limit), in short transactions
"""
