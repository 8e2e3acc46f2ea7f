"""Which clients send no violation reports, whatever they meet, by the name that they give themselves.

Of browsers, Chromium 46 to 71 sent reports; on iOS it has WebKit inside, which never did. Apps with pins name
themselves as they like, so a name that is not known may be that of a sender.
"""

import re

FIRST_CHROMIUM, LAST_CHROMIUM = 46, 71
"""Between these versions, both included, Chromium sent reports."""

_CHROMIUM = re.compile(r"\bChrom(?:e|ium)/(\d{1,5})\b")
_NEVER = re.compile(
    r"\bEdge/|\bFirefox/|\b(?:Cr|Fx|OP|Edg)iOS/|\bMSIE |\bTrident/|^Opera/|; wv\)"  # browsers, and Android's WebView
    r"|bot\b|crawl|spider|slurp|Headless"
    r"|^(?:curl|wget|python-|libwww-perl|check_http|kube-probe)",
    re.IGNORECASE,
)
_SAFARI = re.compile(r"^Mozilla/5\.0 \((?:Macintosh|iPhone|iPad|iPod)\b.* AppleWebKit/\S+.*\bSafari/")


def never_reports(user_agent: str) -> bool:
    """Whether the client is known to send no reports; False also where that cannot be told."""
    if _NEVER.search(user_agent):
        return True
    if found := _CHROMIUM.search(user_agent):
        return not FIRST_CHROMIUM <= int(found[1]) <= LAST_CHROMIUM
    return _SAFARI.search(user_agent) is not None
