"""``hpkp app``: the registry of releases, their installs, and which of them a chain would lock out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.answers.releases import (
    difference_answer,
    install_count_answer,
    key_sets_answer,
    old_keys_answer,
    release_answer,
    release_check_answer,
)
from app.app_configs.install_exports import LONGEST_EXPORT, name_unknown, read_installs
from app.cli.app_forms import print_layer
from app.cli.app_pins import AppArgument, AppOption, HostArgument, PlatformOption
from app.cli.app_pins import app as app
from app.cli.release_checks import print_release_checks
from app.cli.terminal import CANNOT_TELL, NO, JsonOption, err, fail, opened, out, print_json
from app.clock import now
from app.hpkp.app_pins.old_keys import KeyUse
from app.hpkp.app_pins.release import AppRelease, Platform, compare_releases, counts_for, find_installs
from app.hpkp.deployment_text import write_installs
from app.hpkp.errors import HpkpError
from app.hpkp.hosts import Host, canonical_host
from app.hpkp.pins import Pin, parse_pin
from app.hpkp.x509.chain_files import read_chain_file

if TYPE_CHECKING:
    from app.service import Service


@app.command("list")
def list_releases(app_id: AppOption = None, as_json: JsonOption = False) -> None:
    """List registered releases, their hosts and installs."""
    with opened() as service:
        releases = service.apps.list_releases(app=app_id)
        installs = service.apps.list_installs(release.app for release in releases)
    if as_json:
        print_json([release_answer(release, layers=False) for release in releases])
        return
    for release in releases:
        retired = "" if release.retired_at is None else f", retired on {release.retired_at:%Y-%m-%d}"
        hosts = sorted({entry.name for layer in release.layers for entry in layer.entries})
        shown = ", ".join(hosts[:_HOSTS_SHOWN]) + (" and more" if len(hosts) > _HOSTS_SHOWN else "")
        text = f"{release}{retired}: {shown or 'no pins'}; {write_installs(find_installs(release, installs))}"
        out.print(text, markup=False)


_HOSTS_SHOWN = 5


@app.command("show")
def show_release(
    app_id: AppArgument,
    version: Annotated[str, typer.Argument(help="The release.", metavar="VERSION")],
    platform: PlatformOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the pins of a release."""
    with opened() as service:
        found = _find(service, app_id, version, platform)
    if as_json:
        print_json([release_answer(release) for release in found])
        return
    for release in found:
        out.print(str(release), markup=False, style="bold")
        for layer in release.layers:
            print_layer(layer)


def _find(service: "Service", app_id: str, version: str, platform: Platform | None) -> list[AppRelease]:
    found = [
        release
        for release in service.apps.list_releases(app=app_id, version=version)
        if platform in (None, release.platform)
    ]
    if not found:
        fail(f"release {app_id} {version} not found; `hpkp app list` lists those that are registered")
    return found


@app.command("diff")
def diff_releases(
    app_id: AppArgument,
    before: Annotated[str, typer.Argument(help="One release: VERSION or VERSION:PLATFORM.", metavar="A")],
    after: Annotated[str, typer.Argument(help="The other one.", metavar="B")],
    as_json: JsonOption = False,
) -> None:
    """Compare the pins of two releases of an app.

    Host by host: release against release, or Android against iOS.
    Exit code 0: every host has the same pins and modes in both. 1: they differ.
    """
    with opened() as service:
        first, second = _one(service, app_id, before), _one(service, app_id, after)
    found = compare_releases(first, second)
    if as_json:
        print_json([difference_answer(difference) for difference in found])
    else:
        for difference in found:
            out.print(difference.host, markup=False, style="bold")
            for sign, pins in (("-", difference.removed), ("+", difference.added)):
                for pin in pins:
                    out.print(f"  {sign} {pin}", markup=False)
            if difference.before != difference.after:
                out.print(f"  {difference.before or 'not pinned'} -> {difference.after or 'not pinned'}", markup=False)
    if found:
        raise typer.Exit(NO)


def _one(service: "Service", app_id: str, text: str) -> AppRelease:
    version, _, platform = text.partition(":")
    if platform and platform not in list(Platform):
        fail(f"{platform} is no platform; known are {', '.join(Platform)}")
    found = _find(service, app_id, version, Platform(platform) if platform else None)
    if len(found) > 1:
        fail(f"{app_id} {version} is registered for several platforms; give {version}:{found[0].platform}")
    return found[0]


@app.command("retire")
def retire_release(
    app_id: AppArgument,
    version: Annotated[str, typer.Argument(help="The release.", metavar="VERSION")],
    platform: PlatformOption = None,
    undo: Annotated[bool, typer.Option("--undo", help="Let it count again.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Let a release count no more.

    After a forced update, or when no install of it matters.
    """
    with opened() as service:
        for release in _find(service, app_id, version, platform):
            service.apps.retire(release.app, release.platform, release.version, at=now(), undo=undo)
        found = _find(service, app_id, version, platform)
    if as_json:
        print_json([release_answer(release, layers=False) for release in found])
        return
    for release in found:
        out.print(f"{release}: {'counts again' if undo else 'retired'}", markup=False)


@app.command("installs")
def import_installs(
    file: Annotated[Path, typer.Argument(help="An export of Google Play or App Store Connect, or a table.")],
    app_id: AppOption = None,
    platform: PlatformOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be recorded.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Record installs by version or build, day by day.

    They replace what was known of these days. Recognized by the columns: Google Play's installs by app version (UTF-16,
    Active Device Installs), App Store Connect's App Sessions (Unique Devices; opted-in users only, so a lower bound;
    needs --app), or a table with the columns date, app, app_version, clients (needs --platform).
    """
    try:
        with file.open("rb") as stream:
            counts = read_installs(stream.read(LONGEST_EXPORT + 1), app=app_id, platform=platform)
    except (HpkpError, OSError) as error:
        fail(f"{file}: {error}")
    with opened(creates=not dry_run) as service:
        releases = service.apps.list_releases()
        if not dry_run:
            service.apps.record_installs(counts, at=now())
    unknown = list(name_unknown(counts, lambda count: any(counts_for(count, release) for release in releases)))
    if as_json:
        print_json({"counts": list(map(install_count_answer, counts)), "not_registered": unknown})
        return
    for count in counts:
        named = count.version or f"build {count.build}"
        out.print(f"{count.day}  {count.app} {named} ({count.platform}): {count.count:,} installs", markup=False)
    for text in unknown:
        err.print(f"not registered: {text}; import its configuration with `hpkp app import`", markup=False)


@app.command("lockout")
def find_lockout(
    host: HostArgument,
    chain: Annotated[Path | None, typer.Option(help="PEM file with a chain, leaf first.")] = None,
    keys: Annotated[
        list[str] | None, typer.Option("--key", help="Pin of a key on the path, leaf first; instead of --chain.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say which releases a chain would lock out.

    With how many installs; --key gives a path by its keys instead of --chain.
    Exit code 0: none that is in use. 1: at least one. 2: unknown for one.
    """
    if (chain is None) is (not keys):
        fail("give --chain or --key")
    try:
        name = canonical_host(host)
        pins = [parse_pin(text) for text in keys or []]
        elements = None if chain is None else read_chain_file(chain.read_bytes())
    except (HpkpError, OSError) as error:
        fail(str(error))
    with opened() as service:
        if elements is None:
            checks = service.apps.check_keys(name, pins, at=now())
        else:
            checks = service.apps.check_chain(name, elements, at=now())
    if not checks:
        fail(f"no registered release pins {name}; register releases with `hpkp app import`")
    if as_json:
        print_json(list(map(release_check_answer, checks)))
    else:
        print_release_checks(checks)
    answers = [check.deployable for check in checks]
    if False in answers:
        raise typer.Exit(NO)
    if None in answers:
        raise typer.Exit(CANNOT_TELL)


@app.command("keys")
def find_keys(
    host: HostArgument,
    drop: Annotated[
        list[str] | None,
        typer.Option(metavar="PIN", help="Say when these keys can go, instead of finding sets; repeatable."),
    ] = None,
    new: Annotated[
        list[str] | None, typer.Option("--new", metavar="PIN", help="With --drop: a key that stays. [default: policy]")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find the smallest sets of keys that lock out no client.

    A chain that has all keys of one set locks out no release in use. With --drop: which releases in use have a list of
    pins with a dropped key and none that stays, how their share of installs falls, and the day on which none needs one
    any more: by the expiry of their pins, or by a straight line to HPKP_MAX_LOCKOUT_PERCENT.
    Exit code 1: there is none; with --drop, the keys cannot go today.
    """
    try:
        name = canonical_host(host)
        keys, staying = ([parse_pin(text) for text in texts or []] for texts in (drop, new))
    except HpkpError as error:
        fail(str(error))
    if keys:
        _print_old_keys(name, keys, staying, as_json=as_json)
        return
    if new:
        fail("--new is for --drop")
    with opened() as service:
        found = service.apps.find_keys(name, at=now())
    if as_json:
        print_json(key_sets_answer(name, found))
    else:
        for number, pins in enumerate(found.sets, 1):
            out.print(f"set {number}: {', '.join(map(str, sorted(pins)))}", markup=False)
        for release in found.unmatched:
            out.print(f"{release}: no key can match its pins", markup=False, style="red")
        if not found.complete:
            err.print("There are more sets than are listed.", markup=False)
    if not found.sets:
        raise typer.Exit(NO)


def _print_old_keys(host: Host, keys: list[Pin], staying: list[Pin], *, as_json: bool) -> None:
    """Print what keeps keys in use; ends the command with exit code 1 if anything does today."""
    with opened() as service:
        found = service.apps.find_old_keys(host, keys, staying, at=now())
    named = ", ".join(sorted(map(str, found.keys)))
    if as_json:
        print_json(old_keys_answer(found))
    else:
        for use in found.uses:
            shares = [f"{share:.1%} {when}" for share, when in zip(use.shares, _WHEN, strict=True) if share is not None]
            counted = write_installs(use.installs) + (f" ({', '.join(shares)})" if shares else "")
            out.print(f"{use.release}: {counted}; {_end_text(use, found.limit)}", markup=False)
        if not found.uses:
            out.print(f"{named} can go: no release in use needs it.", markup=False, style="green")
        elif found.can_go is not None:
            out.print(f"{named} can go on {found.can_go} at the earliest.", markup=False)
        else:
            out.print(f"{named} cannot go: retire or update these releases first.", markup=False)
    if found.uses:
        raise typer.Exit(NO)


def _end_text(use: KeyUse, limit: float) -> str:
    """Say until when a release needs a key; without a day, at which share of installs that ends."""
    if use.until is None:
        return f"no day can be estimated; needed until it has at most {limit:.2%} of installs, or is retired"
    return f"until {use.until}, {'its pins expire' if use.expires else f'by a straight line to {limit:.2%}'}"


_WHEN = ("now", "a week before", "a month before")
