"""Each cause in words for somebody who has never read RFC 7469: what it is called, what it means, and what to do."""

from dataclasses import dataclass

from app.hpkp.judgement.causes import Cause


@dataclass(frozen=True, slots=True)
class CauseWords:
    """``fix`` may name ``{violation}``, the number of one to look at."""

    title: str
    meaning: str
    fix: str


_LOOK = "hpkp explain {violation}"
_WITHOUT_PINS = "They fail with or without pins."

WORDS: dict[Cause, CauseWords] = {
    Cause.NO_EVIDENCE: CauseWords(
        "Reports without certificates that can be read",
        "Clients reported a failure without certificates that can be read.",
        f"Nothing can be concluded from them; {_LOOK} shows what little there is.",
    ),
    Cause.IMPLAUSIBLE: CauseWords(
        "Reports that look made up",
        "Reports came in a form that their sender does not make; they do not count.",
        "Nothing.",
    ),
    Cause.MATCHES_EXPECTED: CauseWords(
        "Reports although a pin matches",
        "Clients reported certificates among which a pin stands.",
        "Nothing.",
    ),
    Cause.STALE_KNOWN_PINS: CauseWords(
        "Clients that remember former pins",
        "Clients still remember pins of another revision of the policy.",
        "Keep the former keys working until the former max-age has run out.",
    ),
    Cause.FOREIGN_PINS: CauseWords(
        "Clients with pins that were never yours",
        "Clients hold pins for this host that were never yours.",
        f"Look for a header that was copied from elsewhere: {_LOOK}.",
    ),
    Cause.KNOWN_BAD_KEY: CauseWords(
        "A compromised key between clients and the host",
        "Between clients and the host stands a key that is known to be compromised or misused. This may be an attack.",
        f"See who stands in between: {_LOOK}. Warn these users; pins are what protects them.",
    ),
    Cause.OTHER_TRUST_PATH: CauseWords(
        "Clients reach your certificate by a path without a pin",
        "Clients trust your certificate by way of CA certificates among which no pin stands. Where pins are enforced, "
        "they are locked out.",
        f"Add the pin of a key that every client meets, best that of your own certificate; {_LOOK} shows the path.",
    ),
    Cause.OWN_KEY_NOT_PINNED: CauseWords(
        "A key of yours is served without a pin",
        "Clients met a certificate with a key of yours that is not pinned. Where pins are enforced, they are locked "
        "out.",
        f"Find out where a key of yours is served without its pin ({_LOOK} shows the certificate). Add the pin to the "
        "policy, or replace the certificate there; then hpkp mark {violation} --as resolved.",
    ),
    Cause.CLOCK: CauseWords(
        "Certificates that were not valid at the client's time",
        f"Clients met certificates that were not valid at their time. {_WITHOUT_PINS}",
        "Nothing on the pins; check the dates of your certificate.",
    ),
    Cause.NAME_MISMATCH: CauseWords(
        "Certificates for another name",
        "Clients were shown trusted certificates for another name, as the login pages of public networks do. "
        f"{_WITHOUT_PINS}",
        "Nothing on the pins; if the name shown is one of yours, check the virtual hosts.",
    ),
    Cause.UNTRUSTED_CHAIN: CauseWords(
        "Certificates that clients do not trust anyway",
        f"Clients met certificates that they do not trust. {_WITHOUT_PINS}",
        "Nothing on the pins; check that the host serves its intermediate certificates.",
    ),
    Cause.INTERCEPTION_PRODUCT: CauseWords(
        "Interception by a known product",
        "A known product intercepts the connections. Browsers let it pass, apps with pins do not.",
        "Decide whether apps behind it may be locked out.",
    ),
    Cause.PRIVATE_ROOT: CauseWords(
        "Interception by a private CA",
        "A CA that no public store knows vouches for the certificates: as a rule, a proxy that intercepts. Browsers "
        "let it pass, apps with pins do not.",
        "Decide whether apps behind it may be locked out.",
    ),
    Cause.UNKNOWN_KEY_PUBLIC_CA: CauseWords(
        "A trusted CA vouches for a key that is not yours",
        "A CA that everybody trusts vouches for a certificate of this host whose key is not known as yours. This may "
        "be an attack.",
        f"Take it for an attack until you know better. {_LOOK} shows the certificate; ask your CAs, and search "
        "Certificate Transparency (crt.sh) for it. If it is yours, add its key to the policy (hpkp policy set … "
        "--own-key PIN), for enforcing would lock out those who meet it. If not, have its CA revoke it, then hpkp mark "
        "{violation} --as resolved; pins are what protects clients from it.",
    ),
}
