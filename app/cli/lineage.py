"""A lineage of an ACME client, read: the keys of each generation as items of ``hpkp pin``.

::

    Lineage(name, directory, generations) ──lineage_items──> PinItem …
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.cli.acme_directories import Lineage
from app.cli.pin_items import LineagePlace, PinItem
from app.hpkp.errors import HpkpError
from app.hpkp.key_description import KeyDescription
from app.hpkp.x509.keys import HeldKey, KeyKind, read_keys
from app.hpkp.x509.lineage import Generation, GenerationPins, KeyJudgement, Part, State, judge_keys

Ask = Callable[[str], Callable[[], bytes]]
"""Of a file's name makes what asks for its passphrase."""

_KINDS = {Part.KEY: KeyKind.PRIVATE, Part.REQUEST: KeyKind.REQUEST}


@dataclass
class _Reading:
    """One generation's keys, as far as they could be read."""

    generation: Generation
    keys: dict[Part, tuple[HeldKey, ...]] = field(default_factory=dict)

    @property
    def pins(self) -> GenerationPins:
        first = {part: keys[0].pin for part, keys in self.keys.items()}
        return GenerationPins(
            self.generation,
            certificate=first.get(Part.CERTIFICATE),
            full_chain=first.get(Part.FULL_CHAIN),
            key=first.get(Part.KEY),
            request=first.get(Part.REQUEST),
        )

    @property
    def own(self) -> Iterator[tuple[Part, HeldKey]]:
        """The generation's own keys: of its certificate, its request, its private key."""
        leaf = Part.CERTIFICATE if Part.CERTIFICATE in self.keys else Part.FULL_CHAIN
        return ((part, self.keys[part][0]) for part in (leaf, Part.REQUEST, Part.KEY) if part in self.keys)

    @property
    def above(self) -> Iterator[tuple[Part, int, HeldKey]]:
        """The certificates of the chain above the leaf, with their positions."""
        for part, start in ((Part.CHAIN, 0), (Part.FULL_CHAIN, 1)):
            for position, key in enumerate(self.keys.get(part, ())[start:], start):
                yield part, position, key


def lineage_items(lineage: Lineage, describe: Callable[[HeldKey], KeyDescription], ask: Ask) -> Iterator[PinItem]:
    """Yield certificate, request and private key of each generation, and then each intermediate once.

    What cannot be read is told at the end, by one HpkpError.
    """
    problems: list[str] = []
    readings = [_read(lineage.directory, generation, ask, problems) for generation in lineage.generations]
    judgements = judge_keys([reading.pins for reading in readings])
    for reading, judgement in zip(readings, judgements, strict=True):
        yield from _of_generation(lineage, reading, judgement, describe)
    yield from _intermediates(lineage, readings, describe)
    if not any(reading.generation.state is State.CURRENT for reading in readings):
        problems.append(f"generation {lineage.current} is the current one, but {lineage.directory} holds no file of it")
    if problems:
        raise HpkpError("; ".join(problems))


def _read(archive: Path, generation: Generation, ask: Ask, problems: list[str]) -> _Reading:
    reading = _Reading(generation)
    for part, name in generation.files.items():
        path = archive / name
        try:
            keys = read_keys(path.read_bytes(), passphrase=ask(str(path)))
        except (HpkpError, OSError) as error:
            problems.append(f"{name}: {getattr(error, 'strerror', None) or error}")
            continue
        wanted = _KINDS.get(part, KeyKind.CERTIFICATE)
        if others := {str(key.kind) for key in keys if key.kind is not wanted}:
            problems.append(f"{name} should hold a {wanted} and holds a {' and a '.join(sorted(others))}")
        elif keys:
            reading.keys[part] = keys
    return reading


def _of_generation(
    lineage: Lineage, reading: _Reading, judgement: KeyJudgement, describe: Callable[[HeldKey], KeyDescription]
) -> Iterator[PinItem]:
    generation, shown = reading.generation, None
    findings = judgement.findings
    if generation.state is State.CURRENT:
        findings = (*lineage.findings, *findings)
    for part, key in reading.own:
        place = LineagePlace(
            lineage.name,
            () if generation.number is None else (generation.number,),
            state=generation.state,
            key_reused=judgement.key_reused,
            belong_together=judgement.belong_together,
            first=shown is None,
            same_pin_as_above=shown == key.pin,
        )
        source = str(lineage.directory / generation.files[part])
        yield PinItem(source, 0, describe(key), place, findings)
        shown, findings = key.pin, ()


def _intermediates(
    lineage: Lineage, readings: list[_Reading], describe: Callable[[HeldKey], KeyDescription]
) -> Iterator[PinItem]:
    """Yield each certificate above the leaves once, where it was met first, with the generations that have it."""
    met: dict[bytes, tuple[str, int, HeldKey]] = {}
    numbers: dict[bytes, list[int]] = {}
    for reading in readings:
        generation = reading.generation
        for part, position, key in reading.above:
            identity = key.certificate.fingerprint if key.certificate else key.pin.digest
            met.setdefault(identity, (str(lineage.directory / generation.files[part]), position, key))
            known = numbers.setdefault(identity, [])
            if generation.number is not None and generation.number not in known:
                known.append(generation.number)
    for number, (identity, (source, position, key)) in enumerate(met.items()):
        place = LineagePlace(lineage.name, tuple(numbers[identity]), first=number == 0)
        yield PinItem(source, position, describe(key), place)
