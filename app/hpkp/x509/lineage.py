"""A renewed certificate's generations: which is current, which were before, and which key waits for its certificate.

Knows how certbot names the files of a lineage, not where they lie::

    archive/NAME/   cert1.pem chain1.pem fullchain1.pem privkey1.pem    a generation; the numbers only grow
                    cert2.pem …
                    privkey3.pem, csr3.pem                              a key made ahead, without a certificate yet
    live/NAME/      cert.pem -> ../../archive/NAME/cert2.pem …          says which one is current

    file names, current number ──arrange──> Generation(number, state, files) …
    pins ──judge_keys──> KeyJudgement: was the key reused, do certificate and key belong together
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.hpkp.findings import Finding, Severity
from app.hpkp.pins import Pin

_FILE = re.compile(r"(?P<part>cert|chain|fullchain|privkey|csr)(?P<number>[0-9]{1,9})\.pem")


class Part(StrEnum):
    """What a file of a generation holds; the values are certbot's names."""

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
    """The files of one number."""

    number: int
    state: State
    files: Mapping[Part, str]


def read_name(name: str) -> tuple[Part, int] | None:
    """Read the name of a file in an archive; None for any other."""
    match = _FILE.fullmatch(name)
    return None if match is None else (Part(match["part"]), int(match["number"]))


def arrange(names: Iterable[str], *, current: int | None) -> tuple[Generation, ...]:
    """Arrange an archive's files into generations, from the first on.

    Where no ``current`` number is given, it is the highest with a certificate, else the highest: a key alone cannot
    be in use while an older certificate is there.
    """
    files: dict[int, dict[Part, str]] = {}
    for name in names:
        if found := read_name(name):
            part, number = found
            files.setdefault(number, {})[part] = name
    if current is None:
        certified = [number for number, parts in files.items() if parts.keys() & {Part.CERTIFICATE, Part.FULL_CHAIN}]
        current = max(certified or files, default=0)
    return tuple(Generation(number, _state(number, current), files[number]) for number in sorted(files))


def _state(number: int, current: int) -> State:
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
    reused = None if before is None or not (before.pin and pins.pin) else before.pin == pins.pin
    held = {Part.CERTIFICATE: pins.certificate, Part.FULL_CHAIN: pins.full_chain, Part.KEY: pins.key}
    held[Part.REQUEST] = pins.request
    known = {part: pin for part, pin in held.items() if pin is not None}
    together = len(set(known.values())) == 1 if len(known) > 1 else None
    findings = []
    if together is False:
        findings.append(_not_together(pins.generation, known))
    if reused is False and before is not None and pins.generation.state is State.CURRENT:
        findings.append(_new_key(before.generation.number))
    return KeyJudgement(reused, together, tuple(findings))


def _not_together(generation: Generation, known: Mapping[Part, Pin]) -> Finding:
    first, reference = next(iter(known.items()))
    others = ", ".join(generation.files[part] for part, pin in known.items() if pin != reference)
    return Finding(
        "key_of_another_certificate",
        Severity.BLOCKER,
        f"{generation.files[first]} and {others} DO NOT BELONG TOGETHER: they are of different keys.",
        "Find out which one the server uses before you pin either; a server cannot serve this certificate with a key "
        "that is not its own.",
    )


def _new_key(before: int) -> Finding:
    return Finding(
        "new_key_at_renewal",
        Severity.WARNING,
        f"The key is not that of generation {before}: the pin changed at this renewal.",
        "Renew with certbot's --reuse-key, or pin the next key before its certificate is deployed.",
    )
