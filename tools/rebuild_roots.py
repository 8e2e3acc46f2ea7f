"""Write ``app/catalog/root_history.toml`` anew: every root that was in certifi's bundle since 2015.04.28.

::

    python -m tools.rebuild_roots

certifi releases ──pip──> bundles ──merge by name and key──> roots with the releases that hold them ──> TOML

Fetches each release by the ordinary pip client and keeps it below ``.cache/certifi``. What Mozilla says of a root that
left stands in ``app/catalog/root_departures.toml``, which people keep; roots without an entry there are printed.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

from app.catalog.roots import DEPARTURES, HISTORY, load_departures, release_key
from app.hpkp.pins import Pin
from app.hpkp.x509.certificate import Certificate, read_certificate
from app.hpkp.x509.pem import pem_blocks

ROOT = Path(__file__).parents[1]
CATALOG = ROOT / "app" / "catalog"
CACHE = ROOT / ".cache" / "certifi"

FIRST = "2015.4.28"
"""The releases before have a bundle that was put together otherwise, or are gone."""

HEAD = """\
# Every root of Mozilla's bundle as certifi has published it since 2015.04.28, each key under its name once. Written by
# `python -m tools.rebuild_roots` from certifi's releases on PyPI (MPL-2.0): certifi's label, the SHA-256 of the newest
# certificate, the first and last release of each span of releases that hold the root, and that certificate in base64.
# The day of a release is its version. Why a root left is in root_departures.toml.
"""

Bundle = Mapping[str, "BundledRoot"]
"""One release's roots by the SHA-256 of the certificate, in hex."""
Identity = tuple[bytes, Pin]


@dataclass(frozen=True, slots=True)
class BundledRoot:
    """A root of one bundle."""

    label: str
    certificate: Certificate

    @property
    def identity(self) -> Identity:
        """Name and key: a root that was issued again with both has not left."""
        return self.certificate.subject_der or b"", self.certificate.pin


@dataclass(frozen=True, slots=True)
class RootSpans:
    """A root and the releases that hold it: the first and last of each uninterrupted span."""

    root: BundledRoot
    spans: tuple[tuple[str, str], ...]


def list_releases() -> tuple[str, ...]:
    """List certifi's releases, oldest first. Raises RuntimeError where pip fails."""
    printed = run_pip("index", "versions", "certifi")
    found = re.search(r"^Available versions: (.+)$", printed, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"pip index versions certifi printed no versions: {printed!r}")
    versions = (version.strip() for version in found[1].split(","))
    return tuple(sorted((v for v in versions if release_key(v) >= release_key(FIRST)), key=release_key))


def fetch_bundle(version: str, cache: Path = CACHE) -> Bundle:
    """Fetch one release of certifi, or take it from the cache. Raises RuntimeError where it cannot be had."""
    folder = cache / version
    if not list(folder.glob("*.whl")):
        run_pip(
            "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(folder), f"certifi=={version}"
        )
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        return read_bundle(opened.read("certifi/cacert.pem").decode())


def run_pip(*arguments: str) -> str:
    """Run pip by uv, which needs none in the environment, else of this Python; return what it printed."""
    uv = os.environ.get("UV") or shutil.which("uv")  # uv says itself where it is to what it runs
    command = (uv, "tool", "run", "--quiet", "pip") if uv else (sys.executable, "-m", "pip")
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"pip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def read_bundle(text: str) -> Bundle:
    """Read a bundle in certifi's form, where a comment with the label stands above each certificate."""
    labels = re.findall(r'^# Label: "(.*)"$', text, re.MULTILINE)
    blocks = list(pem_blocks(text))
    if len(labels) != len(blocks):
        raise ValueError(f"{len(blocks)} certificates and {len(labels)} labels")
    found: dict[str, BundledRoot] = {}
    for label, block in zip(labels, blocks, strict=True):
        certificate = read_certificate(block.decode())
        if not isinstance(certificate, Certificate):
            raise ValueError(f"{label}: {certificate.reason}")
        found[certificate.fingerprint.hex()] = BundledRoot(_unescape(label), certificate)
    return found


def _unescape(label: str) -> str:
    r"""Read the escapes that stand in labels for what is not ASCII: of characters, or of the octets of UTF-8."""
    read = label.encode("latin-1", "backslashreplace").decode("unicode_escape")
    try:
        return read.encode("latin-1").decode()
    except UnicodeError:
        return read


def build_history(bundles: Mapping[str, Bundle]) -> list[RootSpans]:
    """Merge the bundles of the releases, given oldest first, into one entry for each root."""
    newest: dict[Identity, BundledRoot] = {}
    held_by: dict[Identity, list[str]] = {}
    for version, bundle in bundles.items():
        present: dict[Identity, BundledRoot] = {}
        for root in bundle.values():
            other = present.get(root.identity, root)
            present[root.identity] = max(root, other, key=lambda each: each.certificate.fingerprint)
        newest |= present
        for identity in present:
            held_by.setdefault(identity, []).append(version)
    order = {version: place for place, version in enumerate(bundles)}
    entries = [RootSpans(root, tuple(_spans(held_by[identity], order))) for identity, root in newest.items()]
    return sorted(entries, key=lambda entry: (entry.root.label.casefold(), entry.root.certificate.fingerprint))


def _spans(versions: Sequence[str], order: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Join the releases that follow each other."""
    first = last = versions[0]
    for version in versions[1:]:
        if order[version] != order[last] + 1:
            yield first, last
            first = version
        last = version
    yield first, last


def write_history(releases: Iterable[str], entries: Iterable[RootSpans]) -> str:
    """Write the file's text."""
    listed = "\n".join(wrap(", ".join(f'"{version}"' for version in releases), 116))
    return "\n".join((HEAD, f"releases = [\n{listed},\n]\n", *map(_entry, entries)))


def _entry(entry: RootSpans) -> str:
    spans = ", ".join(f'["{first}", "{last}"]' for first, last in entry.spans)
    certificate = entry.root.certificate
    name = entry.root.label.replace("\\", "\\\\").replace('"', '\\"')
    der = "\n".join(wrap(b64encode(certificate.der).decode(), 116))
    return (
        f'[[roots]]\nname = "{name}"\nsha256 = "{certificate.fingerprint.hex()}"\nheld_by = [{spans}]\n'
        f"der = '''\n{der}\n'''\n"
    )


def unexplained(text: str) -> list[str]:
    """Name the roots of a history's text that left and have no entry among the departures."""
    history = tomllib.loads(text)
    newest = history["releases"][-1]
    departures = load_departures()
    return [
        f"{root['name']} ({root['sha256']}), last in {root['held_by'][-1][1]}"
        for root in history["roots"]
        if root["held_by"][-1][1] != newest and root["sha256"] not in departures
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(prog="python -m tools.rebuild_roots", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--into", type=Path, default=CATALOG, help="directory of the catalog's files")
    parser.add_argument("--cache", type=Path, default=CACHE, help="directory where the releases are kept")
    given = parser.parse_args(arguments)
    bundles = {version: fetch_bundle(version, given.cache) for version in list_releases()}
    entries = build_history(bundles)
    text = write_history(bundles, entries)
    (given.into / HISTORY).write_text(text, encoding="utf-8")
    sys.stderr.write(f"{len(entries)} roots of {len(bundles)} releases\n")
    for root in unexplained(text):
        sys.stderr.write(f"not in {DEPARTURES}: {root}\n")


if __name__ == "__main__":
    main()
