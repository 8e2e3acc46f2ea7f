"""Grafana dashboards over the reporting views and the metrics, made from one definition.

::

    definition/*.py ──python -m dashboards──> postgres/*.json, sqlite/*.json, prometheus/*.json, provisioning/alerting

What is committed is what the definition makes; a test holds them together. ``definition/`` knows Grafana's model and
the views of `app.store.views`, and nothing else of the service.
"""
