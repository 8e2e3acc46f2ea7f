"""``python -m bench``: measure, and print what was measured; progress goes to standard error."""

import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench.bodies import Material, make_material
from bench.document import NoPlace, markdown, write_into
from bench.ingest import Measured, Miscounted, measure_ingest
from bench.load import Loader, LoadFailed
from bench.machine import conditions
from bench.memory import measure_memory
from bench.postgres import NotDurable
from bench.queries import WrongAnswer, measure_queries
from bench.results import Results
from bench.running import ROOT, Processors, ServerFailed, processors
from bench.targets import SkippedTarget, Target, bare, lookout, naive, service, two_workers

_RUN = "run"
"""Below the cache, for as long as a run lasts."""
_FAILURES = (Miscounted, LoadFailed, NoPlace, NotDurable, ServerFailed, WrongAnswer)
_NO_LIMIT = {
    f"HPKP_{limit}": "1000000000"
    for limit in (
        "MAX_NEW_VIOLATIONS_PER_DAY", "MAX_NEW_VIOLATIONS_PER_NETWORK", "MAX_NEW_VIOLATIONS_PER_NETWORK_AND_HOST"
    )
}  # fmt: skip
"""Else most of the reports whose leaf is new would be overflow, which is less work."""


class Part(StrEnum):
    """What is measured."""

    INGEST = "ingest"
    QUERIES = "queries"
    MEMORY = "memory"


class Size(StrEnum):
    """How much is measured."""

    FULL = "full"
    QUICK = "quick"
    TINY = "tiny"


@dataclass(frozen=True, slots=True)
class Scale:
    """The sizes of a run; times in seconds."""

    rounds: int
    seconds: float
    warm_seconds: float
    distinct: int
    """Bodies whose leaf is in no other body."""
    stores: tuple[int, ...]
    """Reports in the stores that are asked."""
    violations: int
    asks: int
    reports: int
    """Reports after which the memory is looked at."""
    flood: int
    memory_seconds: float
    complete: bool = True
    """Whether all take part that can, or only one of each kind."""


SCALES = {
    Size.FULL: Scale(5, 5, 2, 30_000, (100_000, 1_000_000, 10_000_000), 1000, 100, 1_000_000, 25_000, 240),
    Size.QUICK: Scale(1, 2, 1, 4000, (5000, 50_000), 100, 10, 20_000, 2000, 6),
    Size.TINY: Scale(1, 3, 0.3, 40, (500,), 20, 2, 0, 20, 5, complete=False),
}

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
err = Console(stderr=True, highlight=False)


@app.command()
def bench(
    parts: Annotated[
        list[Part] | None, typer.Argument(help="What to measure; everything, if nothing is named.", show_default=False)
    ] = None,
    size: Annotated[
        Size, typer.Option(help="full takes up to 20 minutes, quick 2; tiny only shows that the programs run.")
    ] = Size.FULL,
    document: Annotated[
        Path | None, typer.Option(help="A Markdown file with a place for the results, such as docs/performance.md.")
    ] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Interleaved rounds of the intake.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Length of each load of a round.")] = None,
    stores: Annotated[
        list[int] | None, typer.Option("--store", min=1, help="Reports in a store that is asked; once for each store.")
    ] = None,
    reports: Annotated[
        int | None, typer.Option(min=1, help="Reports after which the memory of the service is looked at.")
    ] = None,
    fetch: Annotated[
        bool,
        typer.Option("--fetch/--no-fetch", help="Get wrk from Debian and Django-Lookout from PyPI where they are not."),
    ] = True,
    cache: Annotated[
        Path, typer.Option(help="Where bodies, tools and stores are kept.", show_default=".cache/bench")
    ] = ROOT / ".cache/bench",
) -> None:
    """Measure the service beside limits and peers, and print the results as Markdown.

    The intake is measured in interleaved rounds against a bare server and other collectors; answers on stores of
    several sizes; memory under load. The machine should have nothing else to do.
    """
    signal.signal(signal.SIGTERM, _end)
    base = SCALES[size]
    scale = replace(
        base,
        rounds=rounds or base.rounds,
        seconds=seconds or base.seconds,
        stores=tuple(sorted(stores or base.stores)),
        reports=reports or base.reports,
    )
    place, cores = cache.resolve(), processors()
    loader = Loader(on=cores.load, fetch=fetch)
    shutil.rmtree(place / _RUN, ignore_errors=True)
    results = Results(conditions(place), loader.description, cores.apart)
    try:
        _measure(results, tuple(parts or Part), scale, loader, cores=cores, fetch=fetch, cache=place)
        if document is not None:
            write_into(document, results)
    except _FAILURES as error:
        err.print(f"error: {error}", markup=False, style="red")
        raise typer.Exit(1) from None
    finally:
        typer.echo(markdown(results))
        shutil.rmtree(place / _RUN, ignore_errors=True)


def _end(*_: object) -> NoReturn:
    """End in order when told to: servers are stopped, and what was measured is printed."""
    raise typer.Exit(143)


def _measure(
    results: Results,
    parts: Sequence[Part],
    scale: Scale,
    loader: Loader,
    *,
    cores: Processors,
    fetch: bool,
    cache: Path,
) -> None:
    """Measure the parts, one after the other; what is measured is in the results at once."""
    run = cache / _RUN
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err) as progress:
        material = make_material(cache, distinct=scale.distinct, progress=progress)
        if Part.INGEST in parts:
            single, double = _one_worker(material, cores), list[Target | SkippedTarget]()
            if scale.complete:
                single.append(service(material.identical, material, cores))
                double = [bare(material.zipf, cores, workers=2), two_workers(material.zipf, material, cores)]
            if fetch:
                single.append(lookout(material.zipf, cores, cache))
            results.ingest = _rounds(single, loader, results, scale, run / "one", progress)
            anywhere = Loader(on=cores.all, fetch=fetch)
            results.two_workers = _rounds(double, anywhere, results, scale, run / "two", progress)
        if Part.QUERIES in parts:
            results.queries = measure_queries(
                scale.stores,
                material,
                violations=scale.violations,
                asks=scale.asks,
                directory=run / "queries",
                processors=cores,
                progress=progress,
            )
        if Part.MEMORY in parts:
            results.memory = measure_memory(
                material,
                loader,
                reports=scale.reports,
                flood=scale.flood,
                seconds=scale.memory_seconds,
                directory=run / "memory",
                processors=cores,
                progress=progress,
            )


def _one_worker(material: Material, cores: Processors) -> list[Target | SkippedTarget]:
    """Return one of each kind: the limit, the service warm and busy with what is new, and a peer."""
    return [
        bare(material.zipf, cores),
        service(material.zipf, material, cores),
        service(material.distinct, material, cores, fresh=True, **_NO_LIMIT),
        naive(material.zipf, cores),
    ]


def _rounds(
    entered: Sequence[Target | SkippedTarget],
    loader: Loader,
    results: Results,
    scale: Scale,
    directory: Path,
    progress: Progress,
) -> list[Measured]:
    """Measure those that are there; a bare server alone is nothing to compare."""
    results.skipped.extend(target for target in entered if isinstance(target, SkippedTarget))
    present = [target for target in entered if isinstance(target, Target)]
    if len(present) < 2:
        return []
    measured, skipped = measure_ingest(
        present,
        loader,
        rounds=scale.rounds,
        seconds=scale.seconds,
        warm_seconds=scale.warm_seconds,
        directory=directory,
        progress=progress,
    )
    results.skipped.extend(skipped)
    return measured


if __name__ == "__main__":
    app(prog_name="python -m bench")
