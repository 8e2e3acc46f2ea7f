"""Synthetic reports: freshly made chains that show one cause each, in the exact form of a real sender.

::

    make_site(host) ──> SampleSite: leaf, one intermediate key under two roots, pins
                          └─ incident(kind) ──> Incident: what happened, in nobody's words
                                                      └─ FORMS[sender].sample ──> Sample: body and headers as sent
"""

from app.demo.forms import FORMS, Members, Sample, SenderForm
from app.demo.incident import Incident, SampleApp
from app.demo.site import SampleKind, SampleSite, is_sent_by, make_site

__all__ = [
    "FORMS", "Incident", "Members", "Sample", "SampleApp", "SampleKind", "SampleSite", "SenderForm", "is_sent_by",
    "make_site",
]  # fmt: skip
