"""Settings from the environment (``HPKP_…``); made once at the start and handed to whoever needs them."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.sources import EnvSettingsSource

_PREFIX = "HPKP_"
_OPTIONS = ("HOST", "WORKERS", "TRUSTED_PROXIES", "INTAKE_ONLY")
"""What people look for among the settings, and `hpkp serve` has as options."""


class UnusableSetting(ValueError):
    """A setting that does not exist, or cannot be used; the message names it, or the file at fault."""


class Settings(BaseSettings):
    """Every setting of the service. Frozen; read from ``HPKP_<NAME>`` or a ``.env`` file."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_file=".env", extra="ignore", frozen=True)

    database_url: str = Field("sqlite:///data/hpkp.sqlite3", description="Where reports are kept, as a SQLAlchemy URL.")
    public_url: str = Field(
        "http://127.0.0.1:8000",
        pattern=r"^https?://[^/?#\s\"'<>]+(/[^?#\s\"'<>]*[^/?#\s\"'<>])?$",
        description="Where people open the pages, without a slash at the end; boards and alerts link there.",
    )
    port: int = Field(
        8000,
        ge=0,
        le=65535,
        description="Port to listen on, unless `hpkp serve --port` names another; 0 takes a free one.",
    )
    log_dir: Path | None = Field(
        None,
        description="Where acknowledged reports wait to be counted, on a durable local disk; "
        "without it next to a SQLite file, for PostgreSQL in `data/hpkp-log`.",
    )
    max_log_bytes: int = Field(
        1_000_000_000, ge=1 << 20, description="Most bytes of one process's ingest log before reports are refused."
    )
    read_wait_seconds: float = Field(
        10, ge=0, description="Longest that a read waits until what was accepted before it is counted."
    )
    max_store_bytes: int | None = Field(
        None,
        gt=0,
        description="Size of the store beyond which the least valuable goes first; "
        "without it 10 GB for SQLite, none for PostgreSQL.",
    )
    max_body_bytes: int = Field(262_144, gt=0, description="Maximum size of a report in bytes.")
    max_body_seconds: float = Field(
        30, gt=0, description="Timeout in seconds for a request body, and for reading the response."
    )
    max_head_seconds: float = Field(10, gt=0, description="Timeout in seconds for the request head.")
    max_idle_seconds: float = Field(5, gt=0, description="Timeout in seconds between two requests of a connection.")
    max_connections: int = Field(
        1000,
        gt=0,
        description="Open connections per process; beyond, the one that has waited longest for its sender is closed.",
    )
    max_connections_per_address: int = Field(
        100, gt=0, description="The same for one IPv4 address or IPv6 /64; does not hold for `--trusted-proxies`."
    )
    unknown_hosts: Literal["accept", "reject"] = Field(
        "accept", description="Whether to accept reports for hosts without a policy."
    )
    max_unknown_hosts: int = Field(100, ge=0, description="Hosts without a policy for which reports are kept.")
    max_unknown_hosts_per_network: int = Field(10, ge=0, description="New hosts without a policy per network and day.")
    max_unknown_violations_per_day: int = Field(
        1000, ge=0, description="New violations per day of all hosts without a policy together."
    )
    max_new_violations_per_day: int = Field(
        1000,
        gt=0,
        description="New violations per host and day; reports of further ones are counted as overflow.",
    )
    reserved_for_checked_percent: float = Field(
        50,
        ge=0,
        le=100,
        description="Share of a host's new violations reserved for evidence that cannot be forged: a leaf for the "
        "host with checked signatures to a known root.",
    )
    max_new_violations_per_checked_leaf: int = Field(
        10, gt=0, description="New violations per host, day and such leaf that use the reserved room."
    )
    max_new_violations_per_network: int = Field(200, gt=0, description="New violations per network and day.")
    max_new_violations_per_network_and_host: int = Field(
        50, gt=0, description="New violations per network, host and day."
    )
    max_report_rows_per_day: int = Field(
        100, ge=0, description="Single reports kept per violation and day; all are counted."
    )
    max_raw_bodies: int = Field(5, ge=0, description="Raw bodies kept per violation.")
    max_rejections: int = Field(1000, ge=0, description="Rejected requests kept for inspection.")
    max_waiting_bytes: int = Field(
        64 << 20, gt=0, description="Memory of submissions waiting for the log's disk before more are refused."
    )
    keep_bodies_days: float = Field(30, ge=0, description="Retention of raw bodies in days; 0 = keep forever.")
    keep_rows_days: float = Field(90, ge=0, description="Retention of single reports in days; 0 = keep forever.")
    keep_rollups_days: float = Field(
        730,
        ge=0,
        description="Retention of counts, and of violations without new reports, in days; 0 = keep forever.",
    )
    keep_rejections_days: float = Field(
        30, ge=0, description="Retention of rejected requests in days; 0 = keep forever."
    )
    keep_unknown_hosts_days: float = Field(
        30,
        ge=0,
        description="Days after its last report for which a host without a policy is kept, and a source (app, version, "
        "platform and label) while few are free; 0 for ever.",
    )
    prune_interval_hours: float = Field(
        24,
        ge=0,
        description="Hours between retention runs; 0 = off (run `hpkp prune`).",
    )
    trust_anchors: Path | None = Field(None, description="PEM file with private roots, in addition to the public ones.")
    known_certificates: Path | None = Field(
        None, description="PEM file with intermediates and cross-certificates that complete chains."
    )
    catalog: Path | None = Field(
        None, description="TOML file with additional interception products, known keys, and CA names."
    )
    min_observation_days: int = Field(14, ge=0, description="Evidence days that each audience needs; at least one.")
    max_covered_age_days: int = Field(3, ge=1, description="Maximum age of the last evidence day in days.")
    probe_interval_hours: float = Field(0, ge=0, description="Hours between automatic probes; 0 = on demand.")
    probe_port: int = Field(443, gt=0, lt=65536, description="Port to probe.")
    probe_paths: tuple[str, ...] = Field(
        ("/", "/hpkp-probe-for-a-page-that-is-not-there"),
        description="Paths asked for, as a JSON list; one that is not there shows an error page.",
    )
    probe_timeout_seconds: float = Field(10, gt=0, description="Timeout in seconds for one connection of a probe.")
    probe_private_addresses: bool = Field(
        False, description="Whether probes and canaries may connect to addresses that are not public."
    )
    max_probe_age_hours: float = Field(48, gt=0, description="Maximum age of the last probe in hours.")
    canary_interval_hours: float = Field(0, ge=0, description="Hours between automatic canaries; 0 = on demand.")
    max_canary_age_hours: float = Field(24, gt=0, description="Maximum age of the last canary in hours.")
    max_lockout_percent: float = Field(
        0.1,
        gt=0,
        le=100,
        description="Largest share of clients that configuration errors may lock out, by its upper 95% bound.",
    )
    max_interception_percent: float = Field(
        1, gt=0, le=100, description="Largest share of app clients behind TLS interception."
    )
    alert_webhook: SecretStr | None = Field(None, description="Webhook that receives alerts as signed JSON.")
    alert_webhook_secret: SecretStr = Field(SecretStr(""), description="Secret that signs them.")
    alert_urls: tuple[SecretStr, ...] = Field(
        (), description="Further receivers of alerts, as a JSON list of Apprise addresses."
    )
    alert_interval_minutes: float = Field(5, gt=0, description="Minutes between alert checks.")
    alert_digest_hours: float = Field(24, ge=0, description="Hours between digests of open alerts; 0 = off.")
    verdict_interval_minutes: float = Field(
        15, ge=0, description="Minutes between recordings of changed verdicts; 0 = off."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Keep the usual sources. Raises UnusableSetting for a name in them that is no setting."""
        for place, source in (("the environment", env_settings), (".env", dotenv_settings)):
            if isinstance(source, EnvSettingsSource):
                check_names(source.env_vars, place)
        return init_settings, env_settings, dotenv_settings, file_secret_settings

    @property
    def log_root(self) -> Path:
        """The directory of the ingest logs."""
        if self.log_dir is not None:
            return self.log_dir
        file = sqlite_file(self.database_url)
        return Path("data/hpkp-log") if file is None else file.with_name(f"{file.name}-log")

    @property
    def store_bytes(self) -> int | None:
        """The store's size limit; None if it has none."""
        if self.max_store_bytes is None and sqlite_file(self.database_url) is not None:
            return _SQLITE_BYTES
        return self.max_store_bytes


_SQLITE_BYTES = 10_000_000_000


def check_names(names: Iterable[str], place: str) -> None:
    """Raise UnusableSetting for a name that begins like a setting and is none: a misspelt one would have no effect."""
    settings = [_PREFIX + name.upper() for name in Settings.model_fields]
    for name in sorted(name.upper() for name in names):
        if name.startswith(_PREFIX) and name not in settings:
            raise UnusableSetting(f"{name} in {place} is not a setting.{_suggest(name, settings)}")


def _suggest(name: str, settings: list[str]) -> str:
    """Say what may have been meant."""
    if (option := name.removeprefix(_PREFIX)) in _OPTIONS:
        return f" It is an option: hpkp serve --{option.lower().replace('_', '-')}."
    nearest = get_close_matches(option, [known.removeprefix(_PREFIX) for known in settings], n=1)
    return f" Did you mean {_PREFIX}{nearest[0]}?" if nearest else " docs/operating.md lists all settings."


def sqlite_file(url: str) -> Path | None:
    """Return the file of a SQLite store's URL; None for one in memory, and for other databases."""
    scheme, _, path = url.partition(":///")
    name = path.partition("?")[0]
    return Path(name) if scheme.partition("+")[0] == "sqlite" and name and name != ":memory:" else None
