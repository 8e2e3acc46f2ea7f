"""A renewed certificate's generations: which is current, which were before, and which key waits for its certificate.

Knows how ACME clients name the files of a lineage, not where they lie::

    certbot     archive/NAME/   cert1.pem chain1.pem fullchain1.pem privkey1.pem    a generation; the numbers only grow
                                privkey3.pem, csr3.pem                              a key made ahead
                live/NAME/      cert.pem -> ../../archive/NAME/cert2.pem …          says which one is current
    dehydrated  certs/NAME/     cert-1795500000.pem … cert-1795500000.csr           numbered by the time of issue
                                cert.pem -> cert-1795500000.pem …                   in the same directory
                                privkey.roll.pem                                    the next key (PRIVATE_KEY_ROLLOVER)
    acme.sh     NAME[_ecc]/     NAME.cer NAME.key NAME.csr ca.cer fullchain.cer     the current generation alone
    lego        certificates/   NAME.crt NAME.issuer.crt NAME.key                   likewise, of many names

    file names, current number ──arrange, arrange_named──> Generation(number, state, files) …
    pins ──judge_keys──> KeyJudgement: was the key reused, do certificate and key belong together
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.hpkp.findings import Finding, Severity
from app.hpkp.pins import Pin

_FILE = re.compile(
    r"(?P<part>cert|chain|fullchain|privkey|csr)(?:(?P<number>[0-9]{1,9})|-(?P<time>[0-9]{9,12}))\.pem"
    r"|cert-(?P<request>[0-9]{9,12})\.csr"
)
ROLLOVER_KEY = "privkey.roll.pem"
"""The key that dehydrated makes ahead; at the next renewal it becomes the certificate's, so its pin goes out first."""


class Part(StrEnum):
    """What a file of a generation holds; the values are the names of certbot and dehydrated."""

    CERTIFICATE = "cert"
    CHAIN = "chain"
    FULL_CHAIN = "fullchain"
    KEY = "privkey"
    REQUEST = "csr"


class State(StrEnum):
    """How a generation stands to the one in use."""

    PREVIOUS = "previous"
    CURRENT = "current"
    NEXT = "next"
    """Of a higher number than the current one: made ahead."""


@dataclass(frozen=True, slots=True)
class Generation:
    """The files of one number; None where the client numbers none, or not yet."""

    number: int | None
    state: State
    files: Mapping[Part, str]


def read_name(name: str) -> tuple[Part, int] | None:
    """Read the name of a numbered file; None for any other."""
    match = _FILE.fullmatch(name)
    if match is None:
        return None
    if match["request"]:
        return Part.REQUEST, int(match["request"])
    return Part(match["part"]), int(match["number"] or match["time"])


def arrange(names: Iterable[str], *, current: int | None, current_key: str | None = None) -> tuple[Generation, ...]:
    """Arrange numbered files into generations, from the first on.

    Where no ``current`` number is given, it is the highest with a certificate, else the highest: a key alone cannot
    be in use while an older certificate is there. ``current_key`` is the key file of the current generation where it
    has an older number, because dehydrated kept the key at a renewal.
    """
    files: dict[int, dict[Part, str]] = {}
    rollover: tuple[Generation, ...] = ()
    for name in names:
        if found := read_name(name):
            part, number = found
            files.setdefault(number, {})[part] = name
        elif name == ROLLOVER_KEY:
            rollover = (Generation(None, State.NEXT, {Part.KEY: name}),)
    if current is None:
        certified = [number for number, parts in files.items() if parts.keys() & {Part.CERTIFICATE, Part.FULL_CHAIN}]
        # The key of the next certificate already has a higher number than the certificate in use.
        current = max(certified or files, default=0)
    if current_key and current in files:
        files[current].setdefault(Part.KEY, current_key)
    return (
        *(Generation(number, _state(number, current), files[number]) for number in sorted(files)),
        *rollover,
    )


_NAMED = (
    # acme.sh: its chain files have no name of their own, because the directory is of one name.
    {Part.CERTIFICATE: "{}.cer", Part.FULL_CHAIN: "fullchain.cer", Part.CHAIN: "ca.cer", Part.REQUEST: "{}.csr"},
    # lego: the .crt is the full chain, unless it was told otherwise.
    {Part.FULL_CHAIN: "{}.crt", Part.CHAIN: "{}.issuer.crt"},
)


def arrange_named(names: Iterable[str]) -> dict[str, Generation]:
    """Find the current generation of each name of which there is a key and a certificate, by acme.sh and lego."""
    present = set(names)
    found: dict[str, Generation] = {}
    for key in sorted(name for name in present if name.endswith(".key")):
        stem = key.removesuffix(".key")
        for layout in _NAMED:
            files = {part: name for part, form in layout.items() if (name := form.format(stem)) in present}
            if files.get(next(iter(layout))):
                found[stem] = Generation(None, State.CURRENT, {**files, Part.KEY: key})
                break
    return found


def _state(number: int, current: int) -> State:
    """Say how a number stands to the current one: clients number generations in order of time."""
    if number == current:
        return State.CURRENT
    return State.PREVIOUS if number < current else State.NEXT


@dataclass(frozen=True, slots=True)
class GenerationPins:
    """The pins of a generation's files; None where there is no such file, or it could not be read."""

    generation: Generation
    certificate: Pin | None = None
    full_chain: Pin | None = None
    """Of the first certificate of the full chain."""
    key: Pin | None = None
    request: Pin | None = None

    @property
    def pin(self) -> Pin | None:
        """The pin of the generation: what clients see, else what they will see."""
        return self.certificate or self.full_chain or self.request or self.key


@dataclass(frozen=True, slots=True)
class KeyJudgement:
    """What is to be said of one generation's keys."""

    key_reused: bool | None
    """Whether the key is that of the generation before; None for the first, and where either is not known."""
    belong_together: bool | None
    """Whether all its files are of one key; None where there are not two to compare."""
    findings: tuple[Finding, ...]


def judge_keys(lineage: Sequence[GenerationPins]) -> tuple[KeyJudgement, ...]:
    """Judge each generation of a lineage, in its order."""
    befores = (None, *lineage)
    return tuple(_judge(pins, before) for pins, before in zip(lineage, befores, strict=False))


def _judge(pins: GenerationPins, before: GenerationPins | None) -> KeyJudgement:
    """Judge one generation, compared with the one before it, which is None for the first."""
    reused = None if before is None or not (before.pin and pins.pin) else before.pin == pins.pin
    held = {Part.CERTIFICATE: pins.certificate, Part.FULL_CHAIN: pins.full_chain, Part.KEY: pins.key}
    held[Part.REQUEST] = pins.request
    known = {part: pin for part, pin in held.items() if pin is not None}
    # A single file agrees with itself, which is no answer.
    together = len(set(known.values())) == 1 if len(known) > 1 else None
    findings = []
    if together is False:
        findings.append(_not_together(pins.generation, known))
    # Only the renewal to the current key can still lock clients out. Earlier ones are past, and the next key is new on
    # purpose.
    if reused is False and before is not None and pins.generation.state is State.CURRENT:
        findings.append(_new_key(before.generation))
    return KeyJudgement(reused, together, tuple(findings))


def _not_together(generation: Generation, known: Mapping[Part, Pin]) -> Finding:
    """Report files of one generation that are of different keys."""
    first, reference = next(iter(known.items()))
    others = ", ".join(generation.files[part] for part, pin in known.items() if pin != reference)
    return Finding(
        "key_of_another_certificate",
        Severity.BLOCKER,
        f"{generation.files[first]} and {others} DO NOT BELONG TOGETHER: they are of different keys.",
        "Find out which one the server uses before you pin either; a server cannot serve this certificate with a key "
        "that is not its own.",
    )


def _new_key(before: Generation) -> Finding:
    """Report that the current generation has another key than the one before it."""
    of = "the generation before" if before.number is None else f"generation {before.number}"
    return Finding(
        "new_key_at_renewal",
        Severity.WARNING,
        f"The key is not that of {of}: the pin changed at this renewal.",
        "Keep the key at renewals (certbot --reuse-key, dehydrated PRIVATE_KEY_RENEW=no), or pin the next key before "
        "its certificate is deployed (dehydrated PRIVATE_KEY_ROLLOVER=yes).",
    )
