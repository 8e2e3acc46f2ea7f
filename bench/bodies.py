"""Report bodies for the load: real signed chains, made on the spot and kept below ``.cache/bench``.

A body is Chromium's, with leaf, intermediate and root in both chains, 10.5 to 12 kB. It is kept in parts, so that
30 000 chains take 53 MB instead of 350, and so that every request can have a date of its own: the same bytes from the
same client would be a retry, which the service counts once. A mix is a directory with three files of lines:

``templates``
    bodies with ``@DATE@`` and ``@LEAF@`` in the place of the dates and of the leaf.
``leaves``
    the number of a template (from 0), a blank, and a leaf in PEM as it stands in JSON.
``order``
    the number of the leaf (from 0) of each request; after the last one it begins again.
"""

import json
import random
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key
from cryptography.x509.oid import AuthorityInformationAccessOID, ObjectIdentifier
from rich.progress import Progress

from app.demo.forms import compact_sorted
from bench.marks import DATE, LEAF
from tests.support.authority import Issued, PrivateKey, make_root, new_key, pem_with, self_signed

HOSTS = tuple(f"shop-{number:02}.example.com" for number in range(20))
"""The hosts that the reports are about; each gets a policy before the load begins."""

ZIPF_CHAINS = 200

IDENTICAL, ZIPF, DISTINCT = "one chain", f"{ZIPF_CHAINS} chains, zipf", "every leaf different"
"""The names of the mixes."""

_FORMAT = 1
_GOOD_FOR = timedelta(days=30)
_LEAF_EITHER_SIDE, _CA_EITHER_SIDE = timedelta(days=99), timedelta(days=3650)
_ISSUERS = ("rsa2048", "p384", "rsa2048", "p384")
_RSA_LEAF_KEYS = 16
_REQUESTS = 5000
_ZIPF_EXPONENT = 1.1
_PIECE = 200

_SCT_LIST = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_TWO_SCTS = bytes.fromhex("0481f200f00076") + bytes(118) + bytes.fromhex("0076") + bytes(118)
"""An OCTET STRING of the size that two timestamps take."""
_DOMAIN_VALIDATED = ObjectIdentifier("2.23.140.1.2.1")


@dataclass(frozen=True, slots=True)
class Mix:
    """A directory with the parts of the bodies of one mix."""

    name: str
    directory: Path
    chains: int

    def bodies(self, *, at: datetime) -> Iterator[bytes]:
        """Yield the bodies in their order, once, all with the same date."""
        templates, leaves = self._lines("templates"), self._lines("leaves")
        date = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"
        for number in self._lines("order"):
            template, _, leaf = leaves[int(number)].partition(" ")
            yield templates[int(template)].replace(DATE, date).replace(LEAF, leaf).encode()

    def _lines(self, name: str) -> list[str]:
        return (self.directory / name).read_text().splitlines()


@dataclass(frozen=True, slots=True)
class Material:
    """What the load is made of, and what the service has to know to judge it."""

    roots: Path
    """The roots in PEM, as trust anchors of the operator's."""
    pins: tuple[str, str]
    """What the policies expect: the key of a root, and a key that is nowhere."""
    identical: Mix
    zipf: Mix
    distinct: Mix


@dataclass(frozen=True, slots=True)
class _Issuer:
    """An intermediate with its root, in a form that another process can be handed."""

    intermediate: bytes
    key: bytes
    root: bytes

    def issued(self) -> Issued:
        key = load_der_private_key(self.key, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
        return Issued(x509.load_der_x509_certificate(self.intermediate), key)


def make_material(cache: Path, *, distinct: int, progress: Progress, at: datetime | None = None) -> Material:
    """Make the bodies, or take those that were made in the last 30 days with the same sizes."""
    at = at or datetime.now(UTC)
    directory = cache / f"bodies-{distinct}"
    pins = _read_note(directory, at=at)
    if pins is None:
        shutil.rmtree(directory, ignore_errors=True)
        pins = _make(directory, distinct=distinct, progress=progress, at=at)
    return Material(
        roots=directory / "roots.pem",
        pins=pins,
        identical=Mix(IDENTICAL, directory / "identical", 1),
        zipf=Mix(ZIPF, directory / "zipf", ZIPF_CHAINS),
        distinct=Mix(DISTINCT, directory / "distinct", distinct),
    )


def _read_note(directory: Path, *, at: datetime) -> tuple[str, str] | None:
    """Return the pins of what is there already, if it is whole and young enough."""
    note = directory / "note.json"
    if not note.exists():
        return None
    written = json.loads(note.read_text())
    young = at - datetime.fromisoformat(written["made_at"]) < _GOOD_FOR
    first, second = written["pins"]
    return (first, second) if young and written["format"] == _FORMAT else None


def _make(directory: Path, *, distinct: int, progress: Progress, at: datetime) -> tuple[str, str]:
    roots, issuers = _make_authority(at)
    pins = (roots[0].pin, self_signed().pin)
    leaves = _make_leaves(issuers, ZIPF_CHAINS + distinct, progress=progress, at=at)
    mixes = {
        "identical": (leaves[:1], [0]),
        "zipf": (leaves[:ZIPF_CHAINS], _zipf_order()),
        "distinct": (leaves[ZIPF_CHAINS:], list(range(distinct))),
    }
    templates = [_template(host, issuer, pins) for host in HOSTS for issuer in issuers]
    for name, (chosen, order) in mixes.items():
        (directory / name).mkdir(parents=True)
        _write_lines(directory / name / "templates", templates)
        _write_lines(directory / name / "leaves", chosen)
        _write_lines(directory / name / "order", map(str, order))
    (directory / "roots.pem").write_text("".join(root.pem for root in roots))
    # Written last: without it nothing is there.
    note = {"format": _FORMAT, "made_at": at.isoformat(), "pins": pins}
    (directory / "note.json").write_text(json.dumps(note))
    return pins


def _write_lines(path: Path, lines: Iterator[str] | list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


def _zipf_order() -> list[int]:
    """Draw the chains of the requests; the same at every making."""
    weights = [1 / rank**_ZIPF_EXPONENT for rank in range(1, ZIPF_CHAINS + 1)]
    return random.Random(1).choices(range(ZIPF_CHAINS), cum_weights=list(accumulate(weights)), k=_REQUESTS)


def _make_authority(at: datetime) -> tuple[list[Issued], list[_Issuer]]:
    """Make two roots of RSA 4096, and below them intermediates of RSA 2048 and P-384."""
    start, end = at - _CA_EITHER_SIDE, at + _CA_EITHER_SIDE
    roots = [
        make_root(f"Bench Root R{number}", key=rsa.generate_private_key(65537, 4096), not_before=start, not_after=end)
        for number in (1, 2)
    ]
    issuers = []
    for number, kind in enumerate(_ISSUERS):
        root = roots[number % 2]
        intermediate = root.issue(
            f"Bench Intermediate {kind} {number}",
            key=new_key(kind),
            ca=True,
            organization="Bench Trust Services",
            not_before=start,
            not_after=end,
            extensions=_links(f"root-{number % 2}"),
        )
        issuers.append(_Issuer(intermediate.der, _key_bytes(intermediate.key), root.der))
    return roots, issuers


def _key_bytes(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _links(authority: str) -> list[x509.ExtensionType]:
    """Return the extensions that say where to ask about a certificate and how it was vetted."""
    place = x509.UniformResourceIdentifier
    return [
        x509.AuthorityInformationAccess(
            [
                x509.AccessDescription(AuthorityInformationAccessOID.OCSP, place(f"http://{authority}.o.example.net")),
                x509.AccessDescription(
                    AuthorityInformationAccessOID.CA_ISSUERS, place(f"http://{authority}.i.example.net/ca.der")
                ),
            ]
        ),
        x509.CRLDistributionPoints(
            [x509.DistributionPoint([place(f"http://{authority}.c.example.net/ca.crl")], None, None, None)]
        ),
        x509.CertificatePolicies([x509.PolicyInformation(_DOMAIN_VALIDATED, None)]),
    ]


def _make_leaves(issuers: list[_Issuer], count: int, *, progress: Progress, at: datetime) -> list[str]:
    """Make the lines of the leaves, in all processors."""
    task = progress.add_task("Making certificates", total=count)
    rsa_keys = [_key_bytes(new_key("rsa2048")) for _ in range(_RSA_LEAF_KEYS)]
    starts = range(0, count, _PIECE)
    with ProcessPoolExecutor() as pool:
        pieces = [
            pool.submit(_leaf_lines, issuers, rsa_keys, range(start, min(start + _PIECE, count)), at)
            for start in starts
        ]
        for piece in as_completed(pieces):
            progress.advance(task, len(piece.result()))
    progress.remove_task(task)
    return [line for piece in pieces for line in piece.result()]


def _leaf_lines(issuers: list[_Issuer], rsa_keys: list[bytes], numbers: range, at: datetime) -> list[str]:
    """Make leaves: every second has an EC key of its own, the others share RSA keys, which take long to make."""
    signers = [issuer.issued() for issuer in issuers]
    keys = [load_der_private_key(key, None) for key in rsa_keys]
    lines = []
    for number in numbers:
        host, issuer = number % len(HOSTS), number // len(HOSTS) % len(issuers)
        key = new_key() if number % 2 else keys[number // 2 % len(keys)]
        assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
        leaf = signers[issuer].issue(
            HOSTS[host],
            names=(HOSTS[host], f"www.{HOSTS[host]}", f"static.{HOSTS[host]}"),
            key=key,
            not_before=at - _LEAF_EITHER_SIDE,
            not_after=at + _LEAF_EITHER_SIDE,
            extensions=[*_links(f"ca-{issuer}"), x509.UnrecognizedExtension(_SCT_LIST, _TWO_SCTS)],
        )
        lines.append(f"{host * len(issuers) + issuer} {json.dumps(leaf.pem)[1:-1]}")
    return lines


def _template(host: str, issuer: _Issuer, pins: tuple[str, str]) -> str:
    chain = [LEAF, pem_with(issuer.intermediate), pem_with(issuer.root)]
    return compact_sorted(
        {
            "date-time": DATE,
            "effective-expiration-date": DATE,
            "hostname": host,
            "include-subdomains": False,
            "known-pins": [f'pin-sha256="{pin}"' for pin in pins],
            "noted-hostname": host,
            "port": 443,
            "served-certificate-chain": chain,
            "validated-certificate-chain": chain,
        }
    ).decode()
