"""Read mutated certificates in every way there is; nothing may raise, and warnings are errors.

::

    python -W error -m tests.support.hpkp.x509.fuzz 100000          the seed is printed, and taken with --seed
"""

import argparse
import base64
import inspect
import random
import sys
import time
from collections.abc import Sequence
from functools import cache, cached_property
from importlib.resources import files

from cryptography import x509

from app.hpkp.x509.anchors import KnownCertificates
from app.hpkp.x509.certificate import Certificate, read_certificate
from app.hpkp.x509.certificate_role import role_of
from app.hpkp.x509.paths import complete_paths, find_leaf
from tests.support.authority import (
    NOW,
    certificate_with_serial_zero,
    cross_sign,
    explicit_ec_certificate,
    make_root,
    make_site,
    pss_certificate,
    sha1_signed,
)
from tests.support.der_mutation import mutate, parse

HOST = "www.example.com"
_READERS = sorted(
    name
    for name, member in inspect.getmembers(Certificate)
    if isinstance(member, property | cached_property) and not name.startswith("_") and name != "outer_parts"
)
"""All but the one that says that it raises."""


@cache
def corpus() -> tuple[bytes, ...]:
    """Return certificates of many kinds: made here, and from the vectors of `cryptography`."""
    constraints = x509.NameConstraints([x509.DNSName("example.com")], [x509.DNSName("bad.example.com")])
    site, older = make_site(names=[HOST, "*.example.net", "a.example.org"]), make_root("Older")
    constrained = site.root.issue("Constrained", ca=True, path_length=1, extensions=[constraints])
    made = (site.leaf, site.intermediate, site.root, constrained, constrained.issue(HOST), cross_sign(site.root, older))
    odd = (certificate_with_serial_zero(), pss_certificate(), explicit_ec_certificate(), *sha1_signed())
    vectors = files("cryptography_vectors") / "x509"
    texts = [entry.read_bytes() for entry in (vectors / "custom").iterdir() if entry.name.endswith(".pem")]
    pems = [text for text in texts if b"-----BEGIN CERTIFICATE-----" in text]
    return (*(one.der for one in made), *odd, *filter(parse, map(_decode, pems)))


def _decode(pem: bytes) -> bytes:
    body = pem.split(b"-----BEGIN CERTIFICATE-----")[1].split(b"-----END")[0]
    return base64.b64decode(body)


@cache
def _around() -> tuple[tuple[Certificate, ...], KnownCertificates]:
    """Return the certificates among which a mutated one stands, and the anchors."""
    made = tuple(one for one in map(read_certificate, corpus()[:11]) if isinstance(one, Certificate))
    return made, KnownCertificates(public=made[2:3], operator=made[7:8], intermediates=made[3:4])


def read_everything(der: bytes) -> bool:
    """Read a certificate in every way; return whether it was one."""
    element = read_certificate(der)
    sent, known = _around()
    find_leaf((element, *sent[:3]), HOST)
    complete_paths(sent[0], (*sent, element), known).at(NOW, host=HOST)
    if not isinstance(element, Certificate):
        return False
    for name in _READERS:
        value = getattr(element, name)
        assert isinstance(str(value), str)
        if isinstance(value, str):
            value.encode()  # no lone surrogates, which no database takes
    role_of(element)
    element.covers(HOST)
    element.covers("192.0.2.1")
    at = complete_paths(element, sent, known).at(NOW, host=HOST)
    assert at.best.certificates[0] == element
    assert all(isinstance(path.top.subject, str) for path in at.paths)
    return True


def fuzz(cases: int, seed: int) -> int:
    """Read so many mutated certificates; return how many could be read at least in part."""
    read = 0
    for number in range(cases):
        chance = random.Random(f"{seed}/{number}")
        der = mutate(chance.choice(corpus()), corpus(), chance)
        try:
            read += read_everything(der)
        except BaseException as error:
            error.add_note(f"seed {seed}, case {number}: {der.hex()}")
            raise
    return read


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", type=int)
    parser.add_argument("--seed", type=int, default=random.randrange(10**9))
    chosen = parser.parse_args(arguments)
    sys.stdout.write(f"seed {chosen.seed}\n")
    started = time.process_time()
    read = fuzz(chosen.cases, chosen.seed)
    sys.stdout.write(f"{chosen.cases} cases, {read} read, {time.process_time() - started:.0f} s of CPU time\n")


if __name__ == "__main__":
    main()
