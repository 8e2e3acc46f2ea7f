r"""Write the catalog's files anew from local copies of what they were taken from.

::

    python -m tools.rebuild_catalog --collected 2026-11-23 ssl_error_assistant.asciipb@COMMIT \
        cert_verify_proc_blocklist.inc@COMMIT README.md@COMMIT
    python -m tools.rebuild_catalog --collected 2026-11-23 --source URL --prefix "Let's Encrypt" --state active \
        DIRECTORY

The first form takes files of chromium/chromium, known by their names, each with the commit at which it was read. It
replaces the entries that came from the same files and keeps all others. The second prints an entry of
``[[ca_names]]`` for each certificate in a CA's directory, for a person to look through.

Only facts are taken: names, patterns and digests. What a key is known for is said here in words of our own.
"""

import argparse
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path

from app.catalog.load import parse_catalog_file
from app.hpkp.catalog import Basis, CaState
from app.hpkp.pins import Pin, parse_pin
from app.hpkp.x509.certificate import Certificate, read_certificate
from app.hpkp.x509.pem import CERTIFICATE_LABELS, pem_blocks

CATALOG = Path(__file__).parents[1] / "app" / "catalog"

REPOSITORY = "https://github.com/chromium/chromium/blob"
ASSISTANT = "components/resources/ssl/ssl_error_assistant/ssl_error_assistant.asciipb"
BLOCKLIST = "net/cert/cert_verify_proc_blocklist.inc"
BLOCKLIST_README = "net/data/ssl/blocklist/README.md"
UPSTREAM = {Path(path).name: path for path in (ASSISTANT, BLOCKLIST, BLOCKLIST_README)}
"""The files of the first form, by name."""

KNOWN_FOR = {
    ".bd": "google.com.bd: certified for somebody else",
    "China Internet Network Information Center (CNNIC)": "CNNIC: a sub-CA of 2015 was used for interception",
    "Comodo": "Comodo: nine certificates of 2011, after a registration authority was broken into",
    "DCSSI": "DCSSI/ANSSI: sub-CA of 2013 that certified Google's names",
    "DigiNotar": "DigiNotar: the CA was broken into in 2011",
    "India CCA": "India CCA: sub-CA of the NIC, misissued in 2014",
    "Thawte": "Thawte: pre-certificate of 2015 for google.com, a test",
    "Togo": "google.tg: certified for somebody else",
    "Trustwave": "Trustwave: publicly trusted sub-CA made for corporate interception",
    "TurkTrust": "TurkTrust: two leaves that could act as CAs",
    "Cyberoam": "Cyberoam: one key for all devices, leaked (CVE-2012-3372)",
    "Dell": "Dell eDellRoot or DSDTestProvider: the private key is public",
    "Mitel": "Mitel: the private key came with the product",
    "Sennheiser": "Sennheiser HeadSetup: the private key came with the product (CVE-2018-17612)",
    "sslip.io": "sslip.io: the private key was published",
    "xs4all.nl": "xs4all.nl: certified for a customer, who published the private key",
    "Superfish": "Superfish: one key for all computers that had it preinstalled, public",
    "Hacking Team": "Hacking Team: key used against targets",
    "live.fi": "live.fi: certified for a user of the mail service",
    "Microsoft Dynamics 365": "Microsoft Dynamics 365: customers could read the private key",
    "Qaznet Trust Network": "Qaznet Trust Network: interception by the state in Kazakhstan",
    "blocked-interception.badssl.com": "blocked-interception.badssl.com (test)",
    "known-interception.badssl.com": "known-interception.badssl.com (test)",
    "www.cloudflarechallenge.com": "www.cloudflarechallenge.com: the private key was given away through Heartbleed",
}
"""What the keys of a section of the block list's README are known for."""

LEFT_OUT = {
    "DigiCert": "retired by its owner",
    "E-GUVEN": "a root without constraints, not a compromised one",
    "JCSI": "an intermediate whose owner lost sight of it",
    "SECOM": "retired by its owner",
    "Symantec": "retired by its owner",
    "T-Systems": "retired by its owner",
    "WoSign/StartCom": "a distrusted CA, but its customers' certificates were rightly theirs",
    "revoked.badssl.com": "the digest is that of the certificate, not of its key",
    "revoked.grc.com": "a test of revocation",
}
"""Sections whose keys are no sign of an attack, with the reason."""

Entry = dict[str, object]
Tables = dict[str, list[Entry]]


def read_assistant(text: str, source: str, collected: date) -> Tables:
    """Read captive portals, interception products and bad keys from Chromium's ssl_error_assistant."""
    tables: Tables = {"captive_portals": [], "interception_products": [], "known_bad_keys": []}
    portal = ""
    for comment, kind, body in _messages(text):
        fields = dict(re.findall(r'(\w+):\s*"(.*)"', body))
        origin = {"source": source, "collected": collected}
        if kind == "captive_portal_cert":
            portal = _portal_name(comment) or portal
            tables["captive_portals"].append({"name": portal, "pin": _pin(fields), **origin})
        elif kind == "mitm_software":
            patterns = {
                "issuer_common_name": fields.get("issuer_common_name_regex"),
                "issuer_organization": fields.get("issuer_organization_regex"),
            }
            given = {key: pattern for key, pattern in patterns.items() if pattern is not None}
            name = _marked_test(fields["name"])
            tables["interception_products"].append({"name": name, **given, "basis": Basis.PUBLISHED, **origin})
        elif kind == "dynamic_interstitial" and "sha256_hash" in fields:
            vendor = fields["mitm_software_name"]
            known_for = KNOWN_FOR.get(vendor.split()[0], vendor)
            tables["known_bad_keys"].append({"name": known_for, "pin": _pin(fields), **origin})
    return tables


def _messages(text: str) -> Iterator[tuple[list[str], str, str]]:
    """Yield each message of a text-format protocol buffer: the comment right above it, its kind, its body."""
    for match in re.finditer(r"((?:^#.*\n)*)^(\w+) \{\n((?:(?!\}).*\n)*)\}", text, re.MULTILINE):
        yield [line.removeprefix("#").strip() for line in match[1].splitlines()], match[2], match[3]


def _portal_name(comment: Iterable[str]) -> str | None:
    """Take the first line that is not the address of a certificate."""
    line = next((line for line in comment if not line.startswith("https://crt.sh/")), None)
    if line is None:
        return None
    return _marked_test(re.sub(r"^https://(\S+) leaf\.$", r"\1", line))


def _marked_test(name: str) -> str:
    return f"{name} (test)" if "badssl" in name.lower() else name


def _pin(fields: dict[str, str]) -> str:
    return str(parse_pin(fields["sha256_hash"]))


def read_blocklist(text: str, readme: str, source: str, collected: date) -> tuple[Tables, list[str]]:
    """Read the bad keys of Chromium's block list; also return the files of which the README says nothing.

    ValueError names a section of the README that is neither in `KNOWN_FOR` nor in `LEFT_OUT`.
    """
    digests = dict(_digests(text))
    entries: list[Entry] = []
    described = set()
    for section, file in _described(readme):
        described.add(file)
        if section in LEFT_OUT:
            continue
        if section not in KNOWN_FOR:
            raise ValueError(f"{BLOCKLIST_README}: what are the keys of the section {section!r} known for?")
        if file not in digests:
            raise ValueError(f"{BLOCKLIST}: no key for {file}, which the README has under {section!r}")
        pin = str(Pin(digests[file]))
        entries.append({"name": KNOWN_FOR[section], "pin": pin, "source": source, "collected": collected})
    return {"known_bad_keys": entries}, sorted(digests.keys() - described)


def _digests(text: str) -> Iterator[tuple[str, bytes]]:
    """Yield each file's name, without ending, and its key's digest; several files may have one key."""
    for match in re.finditer(r"((?:^\s*// [0-9a-f]{64}\.\w+\n)+)\s*\{([^{}]*)\}", text, re.MULTILINE):
        digest = bytes(int(octet, 16) for octet in re.findall(r"0x([0-9a-f]{2})", match[2]))
        for file in re.findall(r"[0-9a-f]{64}", match[1]):
            yield file, digest


def _described(readme: str) -> Iterator[tuple[str, str]]:
    """Yield the section and the name of each file of which the README speaks, once."""
    section, seen = "", set()
    for line in readme.splitlines():
        if line.startswith("#"):
            section = line.lstrip("#").strip()
        for file in re.findall(r"\b[0-9a-f]{64}\b", line):
            if (section, file) not in seen:
                seen.add((section, file))
                yield section, file


def name_cas(
    directory: Path, *, source: str, collected: date, state: CaState = CaState.UNSTATED, prefix: str = ""
) -> list[Entry]:
    """Name the CA certificates of a directory and all below it; the prefix goes before the common name."""
    entries: list[Entry] = []
    for path in sorted(directory.rglob("*.pem")):
        for block in pem_blocks(path.read_text(encoding="utf-8")):
            certificate = read_certificate(block.decode()) if block.label in CERTIFICATE_LABELS else None
            if isinstance(certificate, Certificate):
                name = f"{prefix} {certificate.common_name or certificate.subject}".strip()
                entries.append(
                    {
                        "name": name,
                        "pin": str(certificate.pin),
                        "state": state,
                        "source": source,
                        "collected": collected,
                    }
                )
    return entries


def write_table(table: str, entries: Iterable[Entry]) -> str:
    """Write entries in TOML, sorted and each once."""
    texts = {"".join(f"{key} = {_value(value)}\n" for key, value in entry.items()): entry for entry in entries}
    ordered = sorted(texts, key=lambda text: (str(texts[text]["name"]).casefold(), text))
    return "\n".join(f"[[{table}]]\n{text}" for text in ordered)


def _value(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    text = str(value)
    if "'" not in text and ("\\" in text or '"' in text):
        return f"'{text}'"
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def replace_entries(path: Path, table: str, entries: Sequence[Entry], upstream: Iterable[str]) -> None:
    """Write a file of the catalog anew: its comment, its entries of other origin, and these."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    comment = "".join(re.findall(r"\A(?:#.*\n)*", text))
    kept = [
        entry
        for entry in tomllib.loads(text).get(table, [])
        if not any(_came_from(entry["source"], origin) for origin in upstream)
    ]
    written = "\n".join(filter(None, (comment, write_table(table, [*kept, *entries]))))
    parse_catalog_file(written, str(path))
    path.write_text(written, encoding="utf-8")


def _came_from(source: str, path: str) -> bool:
    return source.startswith(f"{REPOSITORY}/") and source.endswith(f"/{path}")


def rebuild(files: dict[str, tuple[str, str]], directory: Path, collected: date) -> list[str]:
    """Rebuild from the text and commit of each upstream file; return what a person should look at."""
    tables: Tables = {}
    notes: list[str] = []
    if ASSISTANT in files:
        text, commit = files[ASSISTANT]
        tables |= read_assistant(text, f"{REPOSITORY}/{commit}/{ASSISTANT}", collected)
    if BLOCKLIST in files and BLOCKLIST_README in files:
        text, commit = files[BLOCKLIST]
        source = f"{REPOSITORY}/{commit}/{BLOCKLIST}"
        listed, unknown = read_blocklist(text, files[BLOCKLIST_README][0], source, collected)
        tables["known_bad_keys"] = [*tables.get("known_bad_keys", ()), *listed["known_bad_keys"]]
        notes += [f"{BLOCKLIST_README} says nothing of {file}; left out" for file in unknown]
    elif BLOCKLIST in files or BLOCKLIST_README in files:
        raise ValueError(f"{BLOCKLIST} and {BLOCKLIST_README} go together")
    for table, entries in tables.items():
        replace_entries(directory / f"{table}.toml", table, entries, files)
    return notes


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(prog="python -m tools.rebuild_catalog", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("sources", nargs="+", metavar="FILE@COMMIT|DIRECTORY")
    parser.add_argument("--collected", type=date.fromisoformat, required=True, help="day on which they were read")
    parser.add_argument("--into", type=Path, default=CATALOG, help="directory of the catalog's files")
    parser.add_argument("--source", help="where the directories come from")
    parser.add_argument("--prefix", default="", help="goes before each common name, such as the CA's owner")
    parser.add_argument("--state", type=CaState, default=CaState.UNSTATED, choices=list(CaState))
    given = parser.parse_args(arguments)
    files: dict[str, tuple[str, str]] = {}
    for argument in given.sources:
        if Path(argument).is_dir():
            if not given.source:
                parser.error(f"{argument}: say with --source where the certificates come from")
            named = name_cas(
                Path(argument), source=given.source, collected=given.collected, state=given.state, prefix=given.prefix
            )
            sys.stdout.write(write_table("ca_names", named))
            continue
        path, _, commit = argument.rpartition("@")
        if Path(path).name not in UPSTREAM or not re.fullmatch(r"[0-9a-f]{7,40}", commit):
            parser.error(f"{argument}: neither a directory nor FILE@COMMIT with a file of {', '.join(UPSTREAM)}")
        files[UPSTREAM[Path(path).name]] = Path(path).read_text(encoding="utf-8"), commit
    for note in rebuild(files, given.into, given.collected):
        sys.stderr.write(f"{note}\n")


if __name__ == "__main__":
    main()
