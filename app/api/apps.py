"""Releases of apps over HTTP: the registry, installs, and what a release does with a chain."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from app.answers.findings import lint_answer
from app.answers.releases import app_answer, install_count_answer, key_sets_answer, old_keys_answer, release_answer
from app.api.access import CanAdmin, CanRead, ServiceDep
from app.api.hosts import HostPath, read_moment, read_pin
from app.api.problems import ProblemError, not_found
from app.api.schemas import Page, describe_problems
from app.api.values import JSON_NUMBER, Day, Flag, Instant, PinText
from app.app_configs.limits import MAX_BYTES
from app.app_configs.recognize import read_config
from app.hpkp.app_pins.forms import Form, Overlap, PinKind, PinMode, Reports, Scope
from app.hpkp.app_pins.lint import LintContext, lint_release
from app.hpkp.app_pins.lockout import Outcome, Place
from app.hpkp.app_pins.model import PinLayer
from app.hpkp.app_pins.release import AppRelease, InstallCount, Platform, is_name
from app.hpkp.errors import InvalidAppConfig
from app.hpkp.findings import Finding
from app.service import Service, now

router = APIRouter(prefix="/api/v1", tags=["apps"])

_MOST = 10**12
AppPath = Annotated[str, Path(max_length=200, description="Bundle id or package name.")]
VersionPath = Annotated[str, Path(max_length=100)]


class ReleaseInstallsResponse(BaseModel):
    """Installs of a release on the newest day of which something is known."""

    day: date
    count: int
    of: int = Field(description="Installs of all versions on that day.")
    share: float | None
    is_lower_bound: bool


class LayerCheckResponse(BaseModel):
    """What one layer does with the chain."""

    form: Form
    outcome: Outcome
    place: Place | None = Field(description="Where on the likeliest path the match is.")


class ReleaseCheckResponse(BaseModel):
    """What a release does with a chain."""

    app: str
    version: str
    platform: Platform
    outcome: Outcome
    in_use: bool = Field(description="Not retired, and not known to have no installs.")
    can_report: bool = Field(description="Whether every layer that checks the host can report.")
    installs: ReleaseInstallsResponse | None = Field(description="Null if unknown.")
    layers: list[LayerCheckResponse]


class PinEntryResponse(BaseModel):
    """The pins that a layer puts on a name."""

    name: str
    scope: Scope
    mode: PinMode
    kind: PinKind
    pins: list[str]
    leaf_pins: list[str] = []
    ca_pins: list[str] = []
    expires_on: date | None
    expiry_rule: str | None
    report_uris: list[str]
    reports_to_vendor: bool


class PinLayerResponse(BaseModel):
    """One library or system that compares pins."""

    form: Form
    title: str
    overlap: Overlap
    compares: str
    reports: Reports
    local_roots_bypass: bool
    entries: list[PinEntryResponse]


class ReleaseResponse(BaseModel):
    """A release with the pins that it carries."""

    app: str
    version: str
    platform: Platform
    builds: list[str]
    shipped_at: datetime | None
    retired_at: datetime | None
    recorded_at: datetime | None
    layers: list[PinLayerResponse]


class LintFinding(BaseModel):
    """What is wrong with the pins."""

    code: str
    severity: Literal["error", "warning", "info"]
    message: str
    fix: str


class RegisteredResponse(ReleaseResponse):
    """The release as it was registered."""

    findings: list[LintFinding]


class ReleaseRequest(BaseModel):
    """A release to register."""

    model_config = ConfigDict(extra="forbid")

    platform: Platform
    builds: list[Annotated[str, Field(min_length=1, max_length=50)]] = Field(
        [], max_length=100, description="Version codes."
    )
    shipped_at: Instant | None = None
    files: list[Annotated[str, Field(max_length=MAX_BYTES)]] = Field(
        min_length=1, max_length=10, description="Configuration files as text; the form is recognized by the content."
    )


class RetireRequest(BaseModel):
    """Whether a release counts."""

    model_config = ConfigDict(extra="forbid")

    platform: Platform
    retired: Flag


class InstallsRequest(BaseModel):
    """Installs of a version or a build on a day."""

    model_config = ConfigDict(extra="forbid")

    platform: Platform
    day: Day
    count: Annotated[int, Field(ge=0, le=_MOST), JSON_NUMBER]
    version: str = Field("", max_length=100)
    build: str = Field("", max_length=50)
    is_lower_bound: Flag = False


class InstallsResponse(BaseModel):
    """A count of installs."""

    app: str
    platform: Platform
    day: date
    version: str
    build: str
    count: int
    source: str
    is_lower_bound: bool


class KeyUseResponse(BaseModel):
    """A release in use that needs an old key."""

    app: str
    version: str
    platform: Platform
    installs: ReleaseInstallsResponse | None = Field(description="Null if unknown.")
    share: float | None = Field(description="Share of all installs of the app on the platform, on the newest day.")
    share_a_week_before: float | None
    share_a_month_before: float | None
    until: date | None = Field(description="The first day on which it does not matter; null if that cannot be said.")
    expires: bool = Field(description="Whether `until` is the expiry of its pins; else it is a straight line.")


class OldKeyResponse(BaseModel):
    """What keeps keys in use, and from when on nothing does."""

    key: str | None = Field(description="The key that goes; null if several do.")
    keys: list[str] = Field(description="All keys that go.")
    staying: list[str] = Field(description="Keys that stay.")
    can_go: date | None = Field(description="The first day on which no release in use needs them; null if unknown.")
    up_to_share: float = Field(description="Share of installs up to which a release no longer matters.")
    uses: list[KeyUseResponse]


class KeySetsResponse(BaseModel):
    """The smallest sets of keys that lock out no release in use."""

    host: str
    sets: list[list[str]] = Field(description="A chain needs all keys of one of the sets.")
    complete: bool = Field(description="Whether all sets of that size were found.")
    unmatched: list[str] = Field(description="Releases that no key can satisfy.")
    old_key: OldKeyResponse | None = Field(None, description="Null unless `drop` is given.")


class HostOfReleaseResponse(BaseModel):
    """A host that a release pins, and what the release does with the chains that it was last seen to serve."""

    host: str
    outcome: Outcome
    can_report: bool
    probed_at: datetime | None = Field(description="Null if the host was never probed.")


class ReleaseOverviewResponse(BaseModel):
    """A release with its installs, hosts and reports."""

    version: str
    platform: Platform
    in_use: bool
    retired_at: datetime | None
    installs: ReleaseInstallsResponse | None = Field(description="Null if unknown.")
    hosts: list[HostOfReleaseResponse]
    reports: int = Field(description="Reports of the last 14 days that name the release; a lower bound.")
    refused_connections: int = Field(description="Those of clients that enforce and are locked out.")


class ReportedVersionResponse(BaseModel):
    """A version that reports name and that is not registered."""

    version: str = Field(description="Empty if reports name none.")
    platform: str
    reports: int
    refused_connections: int


class AppResponse(BaseModel):
    """A registered app."""

    app: str
    releases: list[ReleaseOverviewResponse]
    unregistered: list[ReportedVersionResponse] = Field(description="At most 100, those with the most reports.")


@router.get("/apps", dependencies=[CanRead], responses=describe_problems())
def list_apps(service: ServiceDep) -> Page[AppResponse]:
    """List registered apps with installs, hosts, reports, and what each release does with the chains served."""
    found = service.app_overviews.list(at=now())
    return Page(items=[AppResponse.model_validate(app_answer(overview)) for overview in found])


@router.get("/apps/releases", dependencies=[CanRead], responses=describe_problems())
def list_all_releases(service: ServiceDep) -> Page[ReleaseResponse]:
    """List all registered releases with their pins."""
    return _page(service.apps.list_releases())


@router.get("/apps/{app}/releases", dependencies=[CanRead], responses=describe_problems())
def list_app_releases(service: ServiceDep, app: AppPath) -> Page[ReleaseResponse]:
    """List the registered releases of an app with their pins."""
    return _page(service.apps.list_releases(app=app))


def _page(releases: Sequence[AppRelease]) -> Page[ReleaseResponse]:
    return Page(items=[ReleaseResponse.model_validate(release_answer(release)) for release in releases])


@router.put("/apps/{app}/releases/{version}", dependencies=[CanAdmin], responses=describe_problems(400))
def register_release(
    service: ServiceDep, app: AppPath, version: VersionPath, body: ReleaseRequest
) -> RegisteredResponse:
    """Register a release with the pins in its configuration, in place of what was registered of it before."""
    layers: list[PinLayer] = []
    findings: list[Finding] = []
    for position, text in enumerate(body.files):
        try:
            config = read_config(text.encode())
        except (InvalidAppConfig, UnicodeEncodeError) as error:
            pointer = f"/files/{position}"
            raise ProblemError(422, "Invalid app configuration", f"{pointer}: {error}.", pointer=pointer) from None
        layers += config.layers
        findings += config.findings
    _check_names({"/path/app": app, "/path/version": version})
    _check_names({f"/builds/{position}": build for position, build in enumerate(body.builds)})
    at, shipped_at = now(), read_moment(body.shipped_at, "/shipped_at")
    release = AppRelease(app, version, body.platform, tuple(layers), tuple(body.builds), shipped_at)
    service.apps.register(release, at=at)
    findings += lint_release(release.layers, LintContext(service.catalog, at, shipped_at=shipped_at))
    stored = _stored(service, app, version, body.platform)
    return RegisteredResponse.model_validate(release_answer(stored) | {"findings": lint_answer(findings)})


def _check_names(names: Mapping[str, str]) -> None:
    """Refuse names of apps, versions and builds that no report could give, by their places."""
    for pointer, name in names.items():
        if not is_name(name):
            reason = f"{name[:40]!r} is not the name, version or build of an app."
            raise ProblemError(422, "Invalid name", reason, pointer=pointer)


@router.patch("/apps/{app}/releases/{version}", dependencies=[CanAdmin], responses=describe_problems(400, 404))
def retire_release(service: ServiceDep, app: AppPath, version: VersionPath, body: RetireRequest) -> ReleaseResponse:
    """Retire a release, so that it no longer counts, or take that back."""
    if not service.apps.retire(app, body.platform, version, at=now(), undo=not body.retired):
        raise not_found("release", f"{app} {version} ({body.platform})")
    return ReleaseResponse.model_validate(release_answer(_stored(service, app, version, body.platform)))


def _stored(service: Service, app: str, version: str, platform: Platform) -> AppRelease:
    [found] = [
        release for release in service.apps.list_releases(app=app, version=version) if release.platform is platform
    ]
    return found


@router.get("/apps/{app}/installs", dependencies=[CanRead], responses=describe_problems())
def list_installs(service: ServiceDep, app: AppPath) -> Page[InstallsResponse]:
    """List what was counted of an app's installs, by day."""
    counts = service.apps.list_installs([app])
    return Page(items=[InstallsResponse.model_validate(install_count_answer(count)) for count in counts])


@router.put("/apps/{app}/installs", dependencies=[CanAdmin], responses=describe_problems(400))
def put_installs(
    service: ServiceDep, app: AppPath, body: Annotated[list[InstallsRequest], Field(min_length=1, max_length=1000)]
) -> Page[InstallsResponse]:
    """Record installs by version or build and day, each in place of what was known of it."""
    counts = []
    for position, told in enumerate(body):
        if bool(told.version) is bool(told.build) or told.day.year < 2000:
            reason = f"/{position}: either version or build, of a day after 2000."
            raise ProblemError(422, "Invalid installs", reason, pointer=f"/{position}")
        counts.append(
            InstallCount(app, told.platform, told.day, told.count, told.version, told.build, "api", told.is_lower_bound)
        )
    service.apps.record_installs(counts, at=now())
    return Page(items=[InstallsResponse.model_validate(install_count_answer(count)) for count in counts])


@router.get("/hosts/{host}/app-keys", dependencies=[CanRead], responses=describe_problems())
def find_keys(
    service: ServiceDep,
    host: HostPath,
    drop: Annotated[
        list[PinText] | None, Query(max_length=20, description="Old keys: say when they can go together.")
    ] = None,
    new: Annotated[
        list[PinText] | None, Query(max_length=20, description="With `drop`: keys that stay; else the policy's.")
    ] = None,
) -> KeySetsResponse:
    """Find the smallest sets of keys of which a chain must contain all, so that no release in use is locked out."""
    at = now()
    answer = key_sets_answer(host, service.apps.find_keys(host, at=at))
    if drop:
        keys, staying = [read_pin(text, "drop") for text in drop], [read_pin(text, "new") for text in new or []]
        answer["old_key"] = old_keys_answer(service.apps.find_old_keys(host, keys, staying, at=at))
    return KeySetsResponse.model_validate(answer)
