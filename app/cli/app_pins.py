"""``hpkp app``: pins that apps carry, read from their configuration and written in it."""

import sys
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.answers.app_pins import layer_answer
from app.answers.findings import lint_answer
from app.app_configs.limits import AppConfig
from app.app_configs.recognize import read_config
from app.cli.app_forms import (
    LONGEST_FILE,
    entry_of,
    has_error,
    lint_context,
    print_app_findings,
    print_layer,
    write_layer,
)
from app.cli.policy import read_expected_pins
from app.cli.terminal import NO, JsonOption, fail, no_policy, opened, out, print_json
from app.clock import now
from app.hpkp.app_pins.forms import Form, PinMode
from app.hpkp.app_pins.lint import lint_release
from app.hpkp.app_pins.model import AppIdentity, CarriedPin, PinEntry, PinLayer, carry
from app.hpkp.app_pins.release import AppRelease, Platform
from app.hpkp.errors import HpkpError
from app.hpkp.hosts import canonical_host

app = typer.Typer(name="app", help="Register releases of apps, and read or write their pins.", no_args_is_help=True)

FilesArgument = Annotated[
    list[Path], typer.Argument(help="Configuration files of one release, - for standard input.", metavar="FILE")
]
NameOption = Annotated[str | None, typer.Option("--name", help="The host, if the file names none.")]


class PinsAre(StrEnum):
    """Which list of a form with two the pins belong to."""

    LEAF = "leaf"
    CA = "ca"


def read_files(files: list[Path], name: str | None) -> AppConfig:
    """Read the files of one release; the first that cannot be read ends the command with its place."""
    configs = []
    for path in files:
        try:
            configs.append(read_config(_read(path), name=name))
        except (HpkpError, OSError) as error:
            fail(f"{path}: {error}")
    return AppConfig(
        tuple(layer for config in configs for layer in config.layers),
        next((config.identity for config in configs if config.identity != AppIdentity()), AppIdentity()),
        tuple(finding for config in configs for finding in config.findings),
    )


def _read(path: Path) -> bytes:
    if str(path) == "-":
        return sys.stdin.buffer.read(LONGEST_FILE)
    with path.open("rb") as stream:
        return stream.read(LONGEST_FILE)


AppOption = Annotated[str | None, typer.Option("--app", help="Bundle id or package name, as reports name it.")]
PlatformOption = Annotated[Platform | None, typer.Option("--platform", help="What the release runs on.")]
VersionOption = Annotated[
    str | None, typer.Option("--release-version", help="The release's version, as reports name it.")
]
AppArgument = Annotated[str, typer.Argument(help="Bundle id or package name.", metavar="APP")]
HostArgument = Annotated[str, typer.Argument(help="The pinned host.", metavar="HOST")]


@app.command("import")
def import_files(
    files: FilesArgument,
    app_id: AppOption = None,
    platform: PlatformOption = None,
    version: VersionOption = None,
    builds: Annotated[list[str] | None, typer.Option("--build", help="A version code of Google Play.")] = None,
    shipped: Annotated[datetime | None, typer.Option(help="The day it was released.", formats=["%Y-%m-%d"])] = None,
    name: NameOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what the files say.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Register a release with the pins in its files.

    What is wrong with them is shown. The form is recognized by the content: Network Security Config, property lists
    with TrustKit or NSPinnedDomains, OkHttp and Ktor source text, ssl_config.json and others (docs/apps.md). Give all
    files of one release at once. A file that cannot be read is refused whole, with the place. What was registered of
    the release before is replaced.
    Exit code 0: nothing wrong, 1: an error was found in the pins, 2: not read, nothing was registered.
    """
    config = read_files(files, name)
    shipped_at = None if shipped is None else shipped.replace(tzinfo=UTC)
    findings = (*config.findings, *lint_release(config.layers, lint_context(shipped_at=shipped_at)))
    release = None
    if not dry_run:
        release = _release_of(config, app_id, platform, version, builds, shipped_at)
        with opened(creates=True) as service:
            service.apps.register(release, at=now())
    if as_json:
        print_json(
            {
                "app": release.app if release else config.identity.app,
                "version": release.version if release else config.identity.version,
                "build": config.identity.build,
                "registered": release is not None,
                "layers": [layer_answer(layer) for layer in config.layers],
                "findings": lint_answer(findings),
            }
        )
    else:
        for layer in config.layers:
            print_layer(layer)
        print_app_findings(findings)
        if release is not None:
            out.print(f"{release} is registered", markup=False, style="bold")
    if has_error(findings):
        raise typer.Exit(NO)


_PLATFORMS = {
    Form.NSC: Platform.ANDROID,
    Form.TRUSTKIT_ANDROID: Platform.ANDROID,
    Form.TRUSTKIT_PLIST: Platform.IOS,
    Form.ATS: Platform.IOS,
}


def _release_of(
    config: AppConfig,
    app_id: str | None,
    platform: Platform | None,
    version: str | None,
    builds: list[str] | None,
    shipped_at: datetime | None,
) -> AppRelease:
    """Return the release that the options and the files name; what neither does ends the command."""
    known = {_PLATFORMS[layer.form] for layer in config.layers if layer.form in _PLATFORMS}
    on = platform or (next(iter(known)) if len(known) == 1 else None)
    of, named = app_id or config.identity.app, version or config.identity.version
    missing = {"--app": of, "--release-version": named, "--platform": on}
    if options := [option for option, value in missing.items() if not value]:
        fail(f"the files do not say which release this is; give {', '.join(options)}, or --dry-run")
    found = builds or ([config.identity.build] if config.identity.build else [])
    try:
        return AppRelease(of, named, on or Platform.OTHER, config.layers, tuple(found), shipped_at)
    except HpkpError as error:
        fail(str(error))


@app.command("config")
def write_files(
    form: Annotated[Form, typer.Option("--for", help="The form that is wanted.")],
    file: Annotated[Path | None, typer.Argument(help="A configuration to rewrite in the form.", metavar="FILE")] = None,
    layer: Annotated[Form | None, typer.Option("--layer", help="Which layer of FILE, if it has several.")] = None,
    host: Annotated[str | None, typer.Option(help="Take the pins of this host's policy.")] = None,
    pins: Annotated[list[str] | None, typer.Option("--pin", help="A pin; give it for each key.")] = None,
    pin_files: Annotated[list[Path] | None, typer.Option("--pin-file", help="A file with a key to pin.")] = None,
    name: NameOption = None,
    include_subdomains: Annotated[
        bool, typer.Option("--include-subdomains", help="Pins are for subdomains too.")
    ] = False,
    monitor: Annotated[bool, typer.Option("--monitor/--enforce", help="Only report, if the form can.")] = False,
    expires: Annotated[
        datetime | None, typer.Option(help="The day on which the pins expire.", formats=["%Y-%m-%d"])
    ] = None,
    report_uris: Annotated[list[str] | None, typer.Option("--report-uri", help="Where clients report to.")] = None,
    pins_are: Annotated[
        PinsAre | None, typer.Option("--pins-are", help="Which list of NSPinnedDomains they are for.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write pins as the configuration of an app.

    The pins come from FILE in any form that is read, from the policy of --host, or from --pin and --pin-file with
    --name. What the form cannot express is an error.
    Exit code 1: it was written, and something in it is wrong. 2: the form cannot express it; nothing was written.
    """
    mode = PinMode.MONITOR if monitor else PinMode.ENFORCE
    try:
        if file is not None:
            found = _choose(read_files([file], name), layer)
        else:
            stated = carry(expected.pin for expected in read_expected_pins(pins, pin_files, None))
            found = PinLayer(form, (_state(form, host, name, stated, include_subdomains, pins_are, mode),))
    except (HpkpError, OSError) as error:
        fail(str(error))
    entries = tuple(_with_options(entry, expires, report_uris) for entry in found.entries)
    write_layer(replace(found, entries=entries), form, as_json=as_json)


def _choose(config: AppConfig, wanted: Form | None) -> PinLayer:
    """Return the layer of the wanted form, or the only one. A TrustKit layer says more than the system's."""
    layers = [layer for layer in config.layers if wanted in (None, layer.form)]
    if wanted is None and [layer.form for layer in layers] == [Form.NSC, Form.TRUSTKIT_ANDROID]:
        return layers[1]
    if len(layers) != 1:
        known = ", ".join(layer.form for layer in config.layers)
        fail(f"give --layer with one of the layers of the file: {known}")
    return layers[0]


def _state(
    form: Form,
    host: str | None,
    name: str | None,
    pins: tuple[CarriedPin, ...],
    include_subdomains: bool,
    pins_are: PinsAre | None,
    mode: PinMode,
) -> PinEntry:
    """Return the entry that the options or the policy of a host state."""
    if host is not None:
        canonical = canonical_host(host)
        with opened() as service:
            policy = service.policies.in_force(canonical, at=now())
        if policy is None:
            fail(no_policy(canonical))
        pins = pins or carry(expected.pin for expected in policy.pins)
        include_subdomains = include_subdomains or policy.include_subdomains
    if not pins:
        fail("give FILE, the --host of a policy, --pin or --pin-file")
    if name is None and host is None:
        fail("give the --name of the host")
    named = canonical_host(name or host or "")
    return entry_of(named, pins, form, include_subdomains=include_subdomains, pins_are=pins_are, mode=mode)


def _with_options(entry: PinEntry, expires: datetime | None, report_uris: list[str] | None) -> PinEntry:
    return replace(
        entry,
        expires_on=entry.expires_on if expires is None else expires.date(),
        report_uris=tuple(report_uris or entry.report_uris),
    )
