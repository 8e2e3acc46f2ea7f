"""Settings from the environment (``HPKP_…``); made once at the start and handed to whoever needs them."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Every setting of the service. Frozen; read from ``HPKP_<NAME>`` or a ``.env`` file."""

    model_config = SettingsConfigDict(env_prefix="HPKP_", env_file=".env", extra="ignore", frozen=True)

    database_url: str = Field("sqlite:///data/hpkp.sqlite3", description="Where reports are kept, as a SQLAlchemy URL.")
    log_dir: Path | None = Field(
        None,
        description="Where acknowledged reports wait to be counted, on a durable local disk; "
        "without it next to a SQLite file, for PostgreSQL in `data/hpkp-log`.",
    )
    max_log_bytes: int = Field(
        1_000_000_000, ge=1 << 20, description="Most bytes of one process's ingest log before reports are refused."
    )
    read_wait_seconds: float = Field(
        0.5, ge=0, description="Longest that a read waits until what was accepted before it is counted."
    )
    max_store_bytes: int | None = Field(
        None,
        gt=0,
        description="Size of the store beyond which the least valuable goes first; "
        "without it 10 GB for SQLite, none for PostgreSQL.",
    )
    max_body_bytes: int = Field(262_144, gt=0, description="Longest report taken, in bytes.")
    max_body_seconds: float = Field(30, gt=0, description="Longest that a sender may take for a report's body.")
    unknown_hosts: Literal["accept", "reject"] = Field(
        "accept", description="What happens to reports for hosts without a policy."
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
        description="Share of a host's new violations reserved for evidence with checked signatures to a known root.",
    )
    max_new_violations_per_network: int = Field(200, gt=0, description="New violations per network and day.")
    max_new_violations_per_network_and_host: int = Field(
        50, gt=0, description="New violations per network, host and day."
    )
    max_report_rows_per_day: int = Field(
        100, ge=0, description="Single reports kept per violation and day; all are counted."
    )
    max_raw_bodies: int = Field(5, ge=0, description="Raw bodies kept per violation.")
    max_rejections: int = Field(1000, ge=0, description="Rejected submissions kept for inspection.")
    max_waiting_bytes: int = Field(
        64 << 20, gt=0, description="Memory of submissions waiting for the log's disk before more are refused."
    )
    keep_bodies_days: float = Field(30, ge=0, description="Days for which raw bodies are kept; 0 for ever.")
    keep_rows_days: float = Field(90, ge=0, description="Days for which single reports are kept; 0 for ever.")
    keep_rollups_days: float = Field(
        730,
        ge=0,
        description="Days for which counts are kept, and violations that nobody reports any more; 0 for ever.",
    )
    keep_rejections_days: float = Field(30, ge=0, description="Days for which rejections are kept; 0 for ever.")
    keep_unknown_hosts_days: float = Field(
        30, ge=0, description="Days after its last report for which a host without a policy is kept; 0 for ever."
    )
    prune_interval_hours: float = Field(
        24,
        ge=0,
        description="Hours after which the service forgets again what is too old; 0 leaves it to `hpkp prune`.",
    )
    trust_anchors: Path | None = Field(None, description="PEM file with roots of your own, beside the public ones.")
    known_certificates: Path | None = Field(
        None, description="PEM file with intermediates and cross-certificates that complete chains."
    )
    catalog: Path | None = Field(
        None, description="TOML file with interception products, known keys and CA names of your own."
    )
    min_observation_days: int = Field(14, ge=0, description="Covered days that each audience needs; one at least.")
    max_covered_age_days: int = Field(3, ge=1, description="Days since the last day that is evidence ended.")
    probe_interval_hours: float = Field(
        0, ge=0, description="Hours between looks at what every host with a policy serves; 0 for none but on demand."
    )
    probe_port: int = Field(443, gt=0, lt=65536, description="The port that is looked at.")
    probe_paths: tuple[str, ...] = Field(
        ("/", "/hpkp-probe-for-a-page-that-is-not-there"),
        description="Paths asked for, as a JSON list; one that is not there shows an error page.",
    )
    probe_timeout_seconds: float = Field(10, gt=0, description="Longest that one connection of a look takes.")
    probe_private_addresses: bool = Field(
        False, description="Whether hosts at addresses that are not public may be looked at."
    )
    max_probe_age_hours: float = Field(48, gt=0, description="How old the last look may be for a verdict.")
    canary_interval_hours: float = Field(
        0, ge=0, description="Hours between canaries to every host's report-uri; 0 for none but on demand."
    )
    max_canary_age_hours: float = Field(24, gt=0, description="How long ago the last canary may have arrived.")
    max_lockout_percent: float = Field(
        0.1,
        gt=0,
        le=100,
        description="Largest share of clients that our own mistakes may lock out, by its upper 95 % bound.",
    )
    max_interception_percent: float = Field(
        1, gt=0, le=100, description="Largest share of clients whose apps may be cut off behind interception."
    )
    alert_webhook: SecretStr | None = Field(None, description="Where alerts are posted as JSON, signed.")
    alert_webhook_secret: SecretStr = Field(SecretStr(""), description="Secret with which they are signed.")
    alert_urls: tuple[SecretStr, ...] = Field(
        (), description="Further receivers of alerts, as a JSON list of Apprise addresses."
    )
    alert_interval_minutes: float = Field(5, gt=0, description="Minutes between looks for what is to be told.")
    alert_digest_hours: float = Field(
        24, ge=0, description="Hours after which open alerts are told again, all in one; 0 for never."
    )
    verdict_interval_minutes: float = Field(
        15, ge=0, description="Minutes between looks at every host's verdict, to record what changed; 0 for none."
    )

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


def sqlite_file(url: str) -> Path | None:
    """Return the file of a SQLite store's URL; None for one in memory, and for other databases."""
    scheme, _, path = url.partition(":///")
    name = path.partition("?")[0]
    return Path(name) if scheme.partition("+")[0] == "sqlite" and name and name != ":memory:" else None
