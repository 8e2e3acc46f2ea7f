"""The directories of ACME clients on the disk: which lineages a directory holds, and which generation is current.

::

    certbot live/NAME or archive/NAME, dehydrated certs/NAME,
    acme.sh NAME, lego certificates ──find_lineages──> Lineage(name, directory, generations) …
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.hpkp.errors import HpkpError
from app.hpkp.findings import Finding, Severity
from app.hpkp.x509.lineage import Generation, Part, arrange, arrange_named, read_name

_LIVE = (Part.CERTIFICATE, Part.FULL_CHAIN, Part.KEY, Part.CHAIN)
_MOST_LINKS = 8


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a lineage lies and its generations; ``current`` is the number that links tell, None where none do."""

    name: str
    directory: Path
    generations: tuple[Generation, ...]
    current: int | None = None
    findings: tuple[Finding, ...] = ()


def find_lineages(directory: Path) -> tuple[Lineage, ...]:
    """Find the lineages that an ACME client keeps in this directory: one, or with lego any number.

    Raises HpkpError, naming what was looked for, where there is none.
    """
    if links := _links(directory):
        return (_of_links(directory, links),)
    names = _names(directory)
    if any(read_name(name) for name in names):
        return (_of_numbered(directory.resolve()),)
    if named := arrange_named(names):
        return tuple(Lineage(name, directory.resolve(), (generation,)) for name, generation in named.items())
    if present := [f"{part}.pem" for part in _LIVE if f"{part}.pem" in names]:
        raise HpkpError(
            f"{', '.join(present)} should be links into archive/NAME but are files, so their generations are unknown; "
            "give the files one by one"
        )
    raise HpkpError(
        "no directory of an ACME client: looked for the links cert.pem, fullchain.pem, privkey.pem, chain.pem (certbot "
        "live/NAME, dehydrated), for numbered files such as cert1.pem and privkey1.pem (certbot archive/NAME) or "
        f"cert-1795500000.pem (dehydrated), and for NAME.key with NAME.cer (acme.sh) or NAME.crt (lego)"
        f"{_hint(directory)}"
    )


def _links(directory: Path) -> dict[Part, Path]:
    return {part: link for part in _LIVE if (link := directory / f"{part}.pem").is_symlink()}


def _names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []


def _hint(directory: Path) -> str:
    """Name lineages below the directory: one may have given /etc/letsencrypt or ~/.acme.sh."""
    patterns = ("*/cert.pem", "live/*/cert.pem", "certs/*/cert.pem", "*/fullchain.cer", "certificates/*.crt")
    found = dict.fromkeys(path.parent for pattern in patterns for path in sorted(directory.glob(pattern)))
    if not found:
        return ""
    return f"; give {' or '.join(map(str, list(found)[:3]))}{' …' if len(found) > 3 else ''}"


def _of_links(directory: Path, links: Mapping[Part, Path]) -> Lineage:
    """Follow the links to the current generation, in an archive or, of dehydrated, in the same directory."""
    targets = {part: _target(link) for part, link in links.items()}
    archive, current, _ = next(iter(targets.values()))
    # A key that dehydrated kept at a renewal has an older number than its certificate: no contradiction there.
    beside = archive == directory.resolve()
    numbers = {part: number for part, (_, number, _) in targets.items() if not (beside and part is Part.KEY)}
    key = targets[Part.KEY][2] if beside and Part.KEY in targets else None
    return Lineage(
        directory.resolve().name,
        archive,
        arrange(_names(archive), current=current, current_key=key),
        current,
        _mixed(directory, numbers) if len(set(numbers.values())) > 1 else (),
    )


def _mixed(directory: Path, numbers: Mapping[Part, int]) -> tuple[Finding, ...]:
    told = ", ".join(f"{part}.pem is of generation {number}" for part, number in numbers.items())
    return (
        Finding(
            "live_mixes_generations",
            Severity.BLOCKER,
            f"The links of {directory} are of DIFFERENT GENERATIONS: {told}.",
            "Let the ACME client link them again (certbot update_symlinks), and check what the server has loaded.",
        ),
    )


def _target(link: Path) -> tuple[Path, int, str]:
    """Follow a live link up to the first numbered file, which need not exist; return its directory, number and name."""
    path = link
    for _ in range(_MOST_LINKS):
        path = path.parent / path.readlink()
        if found := read_name(path.name):
            return path.parent.resolve(), found[1], path.name
        if not path.is_symlink():
            break
    raise HpkpError(f"{link.name} leads to {path}, which is no numbered file such as cert1.pem")


def _of_numbered(archive: Path) -> Lineage:
    """Take numbered files without links beside them: ask certbot's live directory, or a copy, for the current one."""
    live = archive.parent.parent / "live" / archive.name
    if (links := _links(live)) and (lineage := _of_links(live, links)).directory == archive:
        return lineage
    names = _names(archive)
    if (current := _number_of_copy(archive, names)) is not None:
        return Lineage(archive.name, archive, arrange(names, current=current, current_key=_key_file(names)), current)
    assumed = Finding(
        "current_assumed",
        Severity.INFO,
        f"No link in {archive} or {live} says which generation is current; the highest with a certificate is assumed.",
        "Give live/NAME where there is one.",
    )
    return Lineage(archive.name, archive, arrange(names, current=None), None, (assumed,))


def _number_of_copy(archive: Path, names: list[str]) -> int | None:
    """Find which numbered certificate cert.pem is a copy of, for directories whose links became files."""
    copy = archive / "cert.pem"
    if not copy.is_file():
        return None
    content = copy.read_bytes()
    numbered = ((read_name(name), name) for name in names)
    same = [
        found[1] for found, name in numbered if found and found[0] is Part.CERTIFICATE and _has(archive / name, content)
    ]
    return max(same, default=None)


def _has(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _key_file(names: list[str]) -> str | None:
    return "privkey.pem" if "privkey.pem" in names else None
