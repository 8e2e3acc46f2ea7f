"""Ingest: what happens to a submission between the endpoint and the database.

::

    collector -> entry -> group_commit -> log ~~(files)~~> log_reader -> fold -> store

A submission is acknowledged when its entry is durable in the ingest log. The fold reads the log behind it, judges what
is new, and counts everything in transactions that also move the log's watermark.
"""
