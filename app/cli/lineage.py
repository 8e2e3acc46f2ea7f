"""A certbot lineage on the disk: finds the archive and the live links, reads the files, yields items.

::

    live/NAME or archive/NAME ──find_lineage──> Lineage(name, archive, current) ──lineage_items──> PinItem …
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.cli.pin_items import LineagePlace, PinItem
from app.hpkp.errors import HpkpError
from app.hpkp.findings import Finding, Severity
from app.hpkp.key_description import KeyDescription
from app.hpkp.x509.keys import HeldKey, KeyKind, read_keys
from app.hpkp.x509.lineage import Generation, GenerationPins, KeyJudgement, Part, State, arrange, judge_keys, read_name

Ask = Callable[[str], Callable[[], bytes]]
"""Of a file's name makes what asks for its passphrase."""

_LIVE = (Part.CERTIFICATE, Part.FULL_CHAIN, Part.KEY, Part.CHAIN)
_MOST_LINKS = 8
_KINDS = {Part.KEY: KeyKind.PRIVATE, Part.REQUEST: KeyKind.REQUEST}


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a lineage lies; ``current`` is None where no live link tells it."""

    name: str
    archive: Path
    current: int | None
    findings: tuple[Finding, ...] = ()


def find_lineage(directory: Path) -> Lineage:
    """Find the lineage of which this is the live or the archive directory.

    Raises HpkpError, naming what was looked for, where it is neither.
    """
    links = {part: link for part in _LIVE if (link := directory / f"{part}.pem").is_symlink()}
    if links:
        return _of_live(directory, links)
    names = sorted(path.name for path in directory.iterdir())
    if any(read_name(name) for name in names):
        return _of_archive(directory.resolve())
    if present := [f"{part}.pem" for part in _LIVE if f"{part}.pem" in names]:
        raise HpkpError(
            f"{', '.join(present)} should be links into archive/NAME and are files of their own, so no generations are "
            "known here; give the files one by one"
        )
    raise HpkpError(
        "no certbot lineage: looked for the links cert.pem, fullchain.pem, privkey.pem, chain.pem (live/NAME), and for "
        f"numbered files such as cert1.pem and privkey1.pem (archive/NAME){_hint(directory)}"
    )


def _hint(directory: Path) -> str:
    """Name lineages below the directory: one may have given /etc/letsencrypt or /etc/letsencrypt/live."""
    roots = (directory, directory / "live")
    found = [path.parent for root in roots if root.is_dir() for path in sorted(root.glob("*/cert.pem"))]
    if not found:
        return ""
    return f"; give {' or '.join(map(str, found[:3]))}{' …' if len(found) > 3 else ''}"


def _of_live(directory: Path, links: dict[Part, Path]) -> Lineage:
    targets = {part: _target(link) for part, link in links.items()}
    archive, current = next(iter(targets.values()))
    numbers = sorted({number for _, number in targets.values()})
    findings: list[Finding] = []
    if len(numbers) > 1:
        told = ", ".join(f"{part}.pem is of generation {number}" for part, (_, number) in targets.items())
        findings.append(
            Finding(
                "live_mixes_generations",
                Severity.BLOCKER,
                f"The links of {directory} are of DIFFERENT GENERATIONS: {told}.",
                "Let certbot link them anew (certbot update_symlinks), and look what the server has loaded.",
            )
        )
    return Lineage(directory.resolve().name, archive, current, tuple(findings))


def _target(link: Path) -> tuple[Path, int]:
    """Follow a live link up to the first numbered file, which need not exist; return its directory and number."""
    path = link
    for _ in range(_MOST_LINKS):
        path = path.parent / path.readlink()
        if found := read_name(path.name):
            return path.parent.resolve(), found[1]
        if not path.is_symlink():
            break
    raise HpkpError(f"{link.name} leads to {path}, which is no numbered file of an archive such as cert1.pem")


def _of_archive(archive: Path) -> Lineage:
    live = archive.parent.parent / "live" / archive.name
    links = {part: link for part in _LIVE if (link := live / f"{part}.pem").is_symlink()}
    if links:
        lineage = _of_live(live, links)
        if lineage.archive == archive:
            return lineage
    assumed = Finding(
        "current_assumed",
        Severity.INFO,
        f"{live} does not tell which generation is current; the highest with a certificate is taken for it.",
        "Give live/NAME where there is one.",
    )
    return Lineage(archive.name, archive, None, (assumed,))


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
    names = [path.name for path in lineage.archive.iterdir()] if lineage.archive.is_dir() else []
    readings = [
        _read(lineage.archive, generation, ask, problems) for generation in arrange(names, current=lineage.current)
    ]
    judgements = judge_keys([reading.pins for reading in readings])
    for reading, judgement in zip(readings, judgements, strict=True):
        yield from _of_generation(lineage, reading, judgement, describe)
    yield from _intermediates(lineage, readings, describe)
    if not any(reading.generation.state is State.CURRENT for reading in readings):
        problems.append(f"generation {lineage.current} is the current one, but {lineage.archive} holds no file of it")
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
            (generation.number,),
            state=generation.state,
            key_reused=judgement.key_reused,
            belong_together=judgement.belong_together,
            first=shown is None,
            same_pin_as_above=shown == key.pin,
        )
        source = str(lineage.archive / generation.files[part])
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
            met.setdefault(identity, (str(lineage.archive / generation.files[part]), position, key))
            if generation.number not in numbers.setdefault(identity, []):
                numbers[identity].append(generation.number)
    for number, (identity, (source, position, key)) in enumerate(met.items()):
        place = LineagePlace(lineage.name, tuple(numbers[identity]), first=number == 0)
        yield PinItem(source, position, describe(key), place)
