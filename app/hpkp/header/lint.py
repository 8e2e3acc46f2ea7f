"""Two judgements on a Public-Key-Pins field side by side: what RFC 7469 says, and what browsers did with it.

::

    field values (+ chain, host) ──lint_header──> HeaderReview
                                                    conformance  valid | lenient | invalid | no-effect
                                                    chromium, firefox: do they act on it?
                                                    findings: code, severity, message, fix
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from urllib.parse import urlsplit

from app.hpkp.catalog import Catalog
from app.hpkp.errors import InvalidHeader
from app.hpkp.findings import Finding, Severity
from app.hpkp.header.browsers import (
    CHROMIUM_LONGEST,
    chromium_notes,
    firefox_notes,
    read_as_chromium,
    read_as_firefox,
    split_quoted,
)
from app.hpkp.header.value import (
    PinningHeader,
    is_strict,
    read_directives,
    read_other_directives,
    read_pin_directive,
)
from app.hpkp.hosts import Host
from app.hpkp.pin_checks import check_pin
from app.hpkp.pins import Pin
from app.hpkp.report_uri import ReportUriFault, check_report_uri

FIRST_STEP = 300
"""Seconds of max-age with which to begin enforcing."""


class Conformance(StrEnum):
    """What RFC 7469 says of a value."""

    VALID = "valid"
    LENIENT = "lenient"
    """Outside the grammar in a way that every browser takes."""
    INVALID = "invalid"
    NO_EFFECT = "no-effect"
    """By the grammar, but nothing follows from it."""


@dataclass(frozen=True, slots=True)
class HeaderReview:
    """What is to be said of a field. A browser's answer is whether it acts on it; without a chain, where that suits."""

    conformance: Conformance
    chromium: bool
    firefox: bool
    parsed: PinningHeader | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked at: the values of one field, in their order, and where they were served."""

    values: Sequence[str]
    report_only: bool = False
    host: Host | None = None
    chain: frozenset[Pin] | None = None
    """The pins of the path that clients are most likely to build."""
    catalog: Catalog = field(default_factory=Catalog)
    other_paths: tuple[frozenset[Pin], ...] = ()
    """The pins of further paths that they may build from the same certificates."""

    @property
    def value(self) -> str:
        """The first value, the only one that counts (RFC 7469 section 2.3.1)."""
        return self.values[0] if self.values else ""


def lint_header(subject: Subject) -> HeaderReview:
    """Judge one field. Never raises, whatever the value."""
    value = subject.value
    chromium = read_as_chromium(value, report_only=subject.report_only)
    firefox = read_as_firefox(value)
    findings = list(_of_text(subject))
    strict, parsed = _by_grammar(subject, findings)
    shown = parsed or chromium
    if shown is not None:
        subject = _with_matching_chain(subject, shown)
        findings.extend(_of_policy(subject, shown))
    noted = (
        chromium_notes(chromium, subject.chain, report_only=subject.report_only),
        firefox_notes(firefox, subject.chain, report_only=subject.report_only),
    )
    if not any(noted) and all(finding.severity is not Severity.BLOCKER for finding in findings):
        findings.append(_IGNORED)
    return HeaderReview(
        conformance=_conformance(subject, strict, parsed, findings),
        chromium=noted[0],
        firefox=noted[1],
        parsed=shown,
        findings=tuple(dict.fromkeys(findings)),
    )


def _with_matching_chain(subject: Subject, header: PinningHeader) -> Subject:
    """Let the first path that has a pin be the chain: whether others have none is told by itself."""
    if subject.chain is None:
        return subject
    paths = (subject.chain, *subject.other_paths)
    chosen = next((number for number, path in enumerate(paths) if path & set(header.pins)), 0)
    return replace(subject, chain=paths[chosen], other_paths=paths[:chosen] + paths[chosen + 1 :])


_TYPOGRAPHIC = re.compile("[\u00ab\u00bb\u2018-\u201f\u2032\u2033]")
_KNOWN = frozenset({"max-age", "includesubdomains", "report-uri"})


def _of_text(subject: Subject) -> Iterator[Finding]:
    """Look at the text alone, before anything is read."""
    value = subject.value
    if not value.strip():
        yield _error("empty", "The value is empty.", "Give pins, max-age and a report-uri.")
    if len(subject.values) > 1:
        yield _warning(
            "several_headers",
            f"The header is sent {len(subject.values)} times; clients use only the first (RFC 7469 section 2.3.1).",
            "Send it once.",
        )
    if "\n" in value or "\r" in value:
        yield _error("line_break", "The value holds a line break, which ends the field.", "Write it on one line.")
    if _TYPOGRAPHIC.search(value):
        yield _error(
            "typographic_quotes", "The value holds typographic quotes, which quote nothing.", 'Write straight ones: ".'
        )
    if len(list(split_quoted(value, ","))) > 1:
        yield _error(
            "comma",
            "Comma outside quotes: clients ignore everything after it, as if two fields had been joined.",
            "Separate directives by semicolons, and send the field once.",
        )


def _by_grammar(subject: Subject, findings: list[Finding]) -> tuple[bool, PinningHeader | None]:
    """Read the first value by the standard; whether it was strictly within the grammar, and what was read."""
    value = next(split_quoted(subject.value, ","), "") if "\n" not in subject.value else subject.value
    strict = is_strict(value)
    try:
        directives = read_directives(value)
    except InvalidHeader as error:
        repaired = re.sub(r"='([^'\"]*)'", r'="\1"', value)
        if repaired != value:
            findings.append(
                _error(
                    "single_quotes", "Values are in single quotes; the standard allows double quotes only.", 'Write ".'
                )
            )
            if subject.report_only:
                return False, _by_grammar(_with_value(subject, repaired), findings)[1]
        if re.search(r"pin-sha256\s*=\s*[A-Za-z0-9+/]", value, re.IGNORECASE):
            findings.append(_UNQUOTED)
        findings.append(
            _error("syntax", f"The value is outside the grammar: {error}.", "Fix the value at that position.")
        )
        return False, None
    parsed = _read(subject, directives, findings)
    if parsed is not None and not strict:
        findings.append(
            Finding(
                "outside_grammar",
                Severity.INFO,
                "Blanks around '=' or an empty directive (a ';' too many) are outside the grammar; every browser takes "
                "them.",
                "Leave them out.",
            )
        )
    return strict, parsed


def _with_value(subject: Subject, value: str) -> Subject:
    return replace(subject, values=(value,))


def _read(
    subject: Subject, directives: Sequence[tuple[str, str | None]], findings: list[Finding]
) -> PinningHeader | None:
    """Read directives one by one and find all that is wrong; None where the standard ignores the value whole."""
    pins: list[Pin] = []
    seen: dict[str, str | None] = {}
    broken = False
    for name, raw in directives:
        if name == "pin-sha256":
            pin = _read_pin(raw, findings)
            broken = broken or pin is None
            pins.extend([pin] if pin is not None else [])
        elif name.startswith("pin-"):
            findings.append(_warning("unknown_pin", f"{name} is ignored: SHA-256 is the only algorithm.", "Remove it."))
        elif name in seen:
            findings.append(_error("duplicate_directive", f"{name} is repeated (RFC 7469 section 2.1).", "Keep one."))
            broken = True
        else:
            seen[name] = raw
            if name not in _KNOWN:
                findings.append(_warning("unknown_directive", f"{name} is no directive and is ignored.", "Remove it."))
    try:
        max_age, include_subdomains, report_uri = read_other_directives(seen)
    except InvalidHeader as error:
        findings.append(_error("invalid_directive", f"{error}.", "Fix the value of the directive."))
        return None
    if report_uri is not None and not _is_absolute(report_uri):
        findings.append(_error("report_uri_not_absolute", "The report-uri is no http or https URI.", "Write it whole."))
        broken = True
    if max_age is None and not subject.report_only:
        findings.append(_error("max_age_missing", "There is no max-age (RFC 7469 section 2.1.2).", "Add max-age=300."))
        broken = True
    if not pins and not broken and not (max_age == 0 and not subject.report_only):
        findings.append(_error("no_pins", "There is no pin-sha256 directive.", "Add the pins (`hpkp pin FILE`)."))
        broken = True
    if len(set(pins)) < len(pins):
        findings.append(_warning("pin_repeated", "A pin is repeated; a repeated pin is no backup pin.", "Keep one."))
    return None if broken else PinningHeader(tuple(dict.fromkeys(pins)), max_age, include_subdomains, report_uri)


def _read_pin(raw: str | None, findings: list[Finding]) -> Pin | None:
    text = (raw or "").strip('"')
    if re.fullmatch(r"[0-9A-Fa-f]{64}", text):
        findings.append(_error("hex_pin", "A pin is written in hexadecimal.", "Write the 32 bytes in base64."))
        return None
    if raw is None or not raw.startswith('"'):
        findings.append(_UNQUOTED)
        return None
    if text.lower().startswith("sha256/"):
        findings.append(
            _error(
                "prefixed_pin",
                f'The pin "{text}" has the prefix sha256/ of app configurations (OkHttp); browsers ignore the field '
                "because of it (RFC 7469 section 2.1.1).",
                f'Write pin-sha256="{text[7:]}".',
            )
        )
        return None
    if re.search(r"\s", text):
        findings.append(
            _error(
                "blank_in_pin",
                f'The pin "{text}" has a blank inside the quotes; browsers ignore the field because of it.',
                f'Write pin-sha256="{"".join(text.split())}".',
            )
        )
        return None
    try:
        return read_pin_directive(raw)
    except InvalidHeader as error:
        code = "wrong_length_pin" if "bytes" in str(error) else "invalid_pin"
        findings.append(_error(code, f"{error}.", "A pin is the base64 of 32 bytes: 44 characters."))
        return None


def _is_absolute(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    return parts.scheme.lower() in ("http", "https") and bool(parts.hostname)


def _of_policy(subject: Subject, header: PinningHeader) -> Iterator[Finding]:
    """Look at what the header asks for."""
    yield from _of_pins(subject, header)
    yield from _of_max_age(subject, header)
    yield from _of_report_uri(subject, header)


def _of_pins(subject: Subject, header: PinningHeader) -> Iterator[Finding]:
    pins = frozenset(header.pins)
    if header.max_age == 0 and not pins and not subject.report_only:
        yield _warning(
            "max_age_zero_alone",
            "max-age=0 without pins: Firefox removes the pins, Chromium ignores the field.",
            "Send it with the full set of pins.",
        )
    elif len(pins) < 2:
        severity = Severity.WARNING if subject.report_only else Severity.BLOCKER
        yield Finding(
            "no_backup_pin",
            severity,
            "There is no Backup Pin: no UA notes a policy with fewer than two pins (RFC 7469 section 2.5).",
            "Generate an offline backup key, and add its pin (`hpkp backup-key`).",
        )
    if subject.chain is not None and pins:
        severity = Severity.WARNING if subject.report_only else Severity.BLOCKER
        if not pins & subject.chain:
            yield Finding(
                "no_matching_pin",
                severity,
                "No pin matches the chain (RFC 7469 section 2.5).",
                "Pin a key of the chain (`hpkp pin CHAIN.pem`).",
            )
        elif pins <= subject.chain and len(pins) > 1:
            yield Finding(
                "no_backup_pin",
                severity,
                "Every pin is in the chain; a backup pin must not be (RFC 7469 section 2.5).",
                "Add the pin of a key that is kept offline (`hpkp backup-key`).",
            )
        if pins & subject.chain and not all(pins & path for path in subject.other_paths):
            yield _warning(
                "pin_on_some_paths",
                "Clients may build another path from this chain on which there is no pin.",
                "Pin your leaf key, which is on every path (`hpkp pin CHAIN.pem`).",
            )
    if subject.chain is None and len(pins) > 1 and not subject.report_only:
        yield Finding(
            "chain_not_given",
            Severity.INFO,
            "No chain given: whether a pin matches the served chain, and a backup pin does not, was not checked.",
            "Give the chain (--chain FILE).",
        )
    for pin in sorted(pins):
        yield from check_pin(pin, subject.catalog)


def _of_max_age(subject: Subject, header: PinningHeader) -> Iterator[Finding]:
    if subject.report_only or header.max_age is None:
        return
    if header.max_age > CHROMIUM_LONGEST:
        yield _warning(
            "max_age_over_60_days",
            f"max-age={header.max_age} is over 60 days, to which browsers cut it (RFC 7469 section 4.1).",
            f"Write at most {CHROMIUM_LONGEST}.",
        )
    if header.max_age > FIRST_STEP:
        yield Finding(
            "max_age_long_for_a_first_step",
            Severity.INFO,
            f"If these pins are wrong, clients stay locked out for {header.max_age:,} seconds.",
            f"Begin with max-age={FIRST_STEP} and raise it step by step.",
        )


def _of_report_uri(subject: Subject, header: PinningHeader) -> Iterator[Finding]:
    if header.report_uri is None:
        if subject.report_only:
            yield _error(
                "report_only_without_report_uri",
                "A report-only field without report-uri does nothing.",
                'Add report-uri="https://…/report", on a host that is not pinned.',
            )
        return
    parts = urlsplit(header.report_uri)
    if parts.scheme.lower() == "http":
        yield _warning("report_uri_http", "Reports are sent over plain http and can be read in transit.", "Use https.")
    checked = check_report_uri(header.report_uri, subject.host, include_subdomains=header.include_subdomains)
    if ReportUriFault.UNREACHABLE in checked.faults:
        yield _warning(
            "report_uri_unreachable",
            f"The report-uri is on {checked.target}, which is unreachable from the internet.",
            "Use a public name.",
        )
    if ReportUriFault.UNDER_PINS in checked.faults:
        yield _error(
            "report_uri_on_pinned_host",
            f"The report-uri is on {checked.target}, which has the same pins: if they fail, no report can be sent (RFC "
            "7469 section 2.1.4).",
            "Serve the collector under a name that is not pinned.",
        )


def _conformance(
    subject: Subject, strict: bool, parsed: PinningHeader | None, findings: Sequence[Finding]
) -> Conformance:
    codes = {finding.code for finding in findings}
    if parsed is None or codes & {"line_break"}:
        return Conformance.INVALID
    if subject.report_only:
        if parsed.report_uri is None:
            return Conformance.NO_EFFECT
    elif codes & {"no_backup_pin", "no_matching_pin"} and parsed.max_age != 0:
        return Conformance.INVALID
    return Conformance.VALID if strict else Conformance.LENIENT


def _error(code: str, message: str, fix: str) -> Finding:
    return Finding(code, Severity.BLOCKER, message, fix)


def _warning(code: str, message: str, fix: str) -> Finding:
    return Finding(code, Severity.WARNING, message, fix)


_UNQUOTED = _error("unquoted_pin", "A pin is not in double quotes (RFC 7469 section 2.1.1).", 'Write pin-sha256="…".')

# A field that every browser ignores is never right, also where no rule above says why.
_IGNORED = _error(
    "ignored_by_browsers",
    "Neither Chromium nor Firefox acts on the field.",
    'Write it as `hpkp header make` does: pin-sha256="…"; pin-sha256="…"; max-age=…; report-uri="https://…".',
)
