"""Settings from the environment (``HPKP_…``); made once at the start and handed to whoever needs them."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Every setting of the service. Frozen; read from ``HPKP_<NAME>`` or a ``.env`` file."""

    model_config = SettingsConfigDict(env_prefix="HPKP_", env_file=".env", extra="ignore", frozen=True)

    database_url: str = Field("sqlite:///data/hpkp.sqlite3", description="Where reports are kept, as a SQLAlchemy URL.")
    max_body_bytes: int = Field(262_144, gt=0, description="Longest report taken, in bytes.")
    max_body_seconds: float = Field(30, gt=0, description="Longest that a sender may take for a report's body.")
    unknown_hosts: Literal["accept", "reject"] = Field(
        "accept", description="What happens to reports for hosts without a policy."
    )
    max_unknown_hosts: int = Field(100, ge=0, description="Hosts without a policy for which reports are kept.")
    max_new_violations_per_day: int = Field(
        1000,
        gt=0,
        description="New violations per host and day; reports of further ones are refused and counted.",
    )
    max_report_rows_per_day: int = Field(
        100, ge=0, description="Single reports kept per violation and day; all are counted."
    )
    max_raw_bodies: int = Field(5, ge=0, description="Raw bodies kept per violation.")
    max_rejections: int = Field(1000, ge=0, description="Rejected submissions kept for inspection.")
    max_waiting: int = Field(2000, gt=0, description="Submissions waiting for the store before more are refused.")
    keep_bodies_days: float = Field(30, ge=0, description="Days for which raw bodies are kept; 0 for ever.")
    keep_rows_days: float = Field(90, ge=0, description="Days for which single reports are kept; 0 for ever.")
    keep_rollups_days: float = Field(
        730,
        ge=0,
        description="Days for which counts are kept, and violations that nobody reports any more; 0 for ever.",
    )
    keep_rejections_days: float = Field(30, ge=0, description="Days for which rejections are kept; 0 for ever.")
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
    min_observation_days: int = Field(14, ge=0, description="Days that a revision must have been observed.")
    min_sessions: int = Field(10_000, ge=0, description="Exposed sessions needed before silence says anything.")
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
