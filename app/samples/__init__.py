"""Synthetic reports: freshly made chains that show one cause each, in the exact form of a real sender.

::

    make_site(host) ──> SampleSite: leaf, one intermediate key under two roots, pins
                          └─ incident(scenario) ──> Incident: what happened, in nobody's words
                                                      └─ FORMS[sender].sample ──> Sample: body and headers as sent
"""

from app.samples.forms import FORMS, Members, Sample, SenderForm
from app.samples.incident import Incident, SampleApp
from app.samples.site import SampleSite, Scenario, is_sent_by, make_site

__all__ = [
    "FORMS", "Incident", "Members", "Sample", "SampleApp", "SampleSite", "Scenario", "SenderForm", "is_sent_by",
    "make_site",
]  # fmt: skip
