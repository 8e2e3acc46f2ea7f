"""The compose file, which no container engine ran: by the specification, and part by part by what it would find."""

import json
import os
import re
import shlex
import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from compose_spec import PyCompose
from sqlalchemy import make_url
from typer.testing import CliRunner

from app.cli import app
from app.settings import Settings
from app.store.engine import open_engine
from app.store.secrets import list_tokens
from dashboards.definition.alerts import STORE_UID
from tests.support.dashboards.boards import FOLDER
from tests.support.postgres import postgres_database

ROOT = FOLDER.parent
TEXT = (ROOT / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def test_it_is_what_the_specification_allows() -> None:
    PyCompose.from_json(json.dumps(COMPOSE))
    with pytest.raises(ValueError, match="imagee"):
        PyCompose.from_json(json.dumps(COMPOSE | {"services": {"a": {"imagee": "b"}}}))


def test_what_is_referred_to_is_there() -> None:
    named = {
        source
        for service in SERVICES.values()
        for source in (mount.partition(":")[0] for mount in service.get("volumes", []))
    }
    volumes = {name for name in named if not name.startswith(".")}
    assert volumes == COMPOSE["volumes"].keys()
    assert all((ROOT / name).is_dir() for name in named - volumes)
    assert {name for service in SERVICES.values() for name in service.get("secrets", [])} == COMPOSE["secrets"].keys()
    assert {name for service in SERVICES.values() for name in service.get("depends_on", {})} <= SERVICES.keys()
    assert (ROOT / "Dockerfile").is_file()


def test_every_secret_comes_from_the_environment_and_has_to_be_set() -> None:
    example = dict(line.split("=", 1) for line in (ROOT / ".env.example").read_text().splitlines() if "=" in line)
    used = set(re.findall(r"\$\{(\w+):\?set it in \.env\}", TEXT))
    used |= {secret["environment"] for secret in COMPOSE["secrets"].values()}
    assert example == dict.fromkeys(used, "")
    assert set(re.findall(r"\$\{(\w+)", TEXT)) <= used, "one that may be missing"


def test_every_service_says_when_it_is_well_and_runs_a_version() -> None:
    for name, service in SERVICES.items():
        if name == "prepare":
            assert (service["healthcheck"], service["restart"]) == ({"disable": True}, "no")
            continue
        assert service["restart"] == "unless-stopped"
        ours = service["image"] == "hpkp-collector"
        assert ("healthcheck" in service) is not ours, "the image has one of its own"
        assert ours or re.fullmatch(r"[\w/.-]+:v?\d[\w.]*(@sha256:[0-9a-f]{64})?", service["image"])
    waited_for = {name for service in SERVICES.values() for name, how in service.get("depends_on", {}).items()
                  if how["condition"] == "service_healthy"}  # fmt: skip
    assert all("healthcheck" in SERVICES[name] for name in waited_for)


def test_nothing_is_open_but_to_the_machine_itself() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert SERVICES["front"]["ports"] == ["443:8443"], "reports over TLS"
    assert all(port.startswith("127.0.0.1:") for port in ports if port != "443:8443")
    assert len(ports) == 3


def test_no_service_has_more_rights_than_it_needs() -> None:
    may_add = {"postgres": {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"},
               "prepare": {"CHOWN", "DAC_OVERRIDE", "FOWNER"}}  # fmt: skip
    for name, service in SERVICES.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        assert set(service.get("cap_add", ())) == may_add.get(name, set())
        assert not service.get("privileged")


def test_only_the_front_and_the_machine_itself_may_say_who_a_client_is() -> None:
    [network] = COMPOSE["networks"]["default"]["ipam"]["config"]
    command = SERVICES["collector"]["command"]
    trusted = command[command.index("--trusted-proxies") + 1].split(",")
    assert trusted == [network["gateway"], SERVICES["front"]["networks"]["default"]["ipv4_address"]]
    assert all(ip_address(address) in ip_network(network["subnet"]) for address in trusted)


def test_settings_of_the_collector_are_settings() -> None:
    names = {name for name in SERVICES["collector"]["environment"] if name.startswith("HPKP_")}
    assert names <= {f"HPKP_{name.upper()}" for name in Settings.model_fields}
    url = make_url(SERVICES["collector"]["environment"]["HPKP_DATABASE_URL"])
    database = SERVICES["postgres"]["environment"]["POSTGRES_DB"]
    assert (url.username, url.host, url.database) == ("hpkp", "postgres", database)
    assert "CREATE ROLE hpkp LOGIN NOSUPERUSER" in (ROOT / "compose/postgres/10-collector.sql").read_text()


def test_the_collector_is_started_with_options_that_it_has() -> None:
    told = CliRunner().invoke(app, [SERVICES["collector"]["command"][0], "--help"]).output
    assert all(word in told for word in SERVICES["collector"]["command"] if word.startswith("--"))


def test_what_prepares_the_rest_makes_schema_role_and_token(tmp_path: Path) -> None:
    [script] = SERVICES["prepare"]["command"]
    secret, token, role = tmp_path / "secret", tmp_path / "token", f"reader_{os.getpid()}"
    secret.write_text("its-password\n")
    for there, here in (
        ("/run/secrets/grafana_reader", secret),
        ("/tokens/prometheus", token),
        ("grafana_reader", role),
        ("chown 65534", ":"),  # only root may
        ("HPKP_DATABASE_URL=postgresql://postgres@postgres/hpkp", "AS_SUPERUSER=yes"),
    ):
        assert str(there) in script
        script = script.replace(str(there), str(here))
    script = script.replace("$$", "$")
    script = re.sub(r"^(\s*|.*! )hpkp", rf"\1{shlex.quote(sys.executable)} -m app.cli", script, flags=re.MULTILINE)
    with postgres_database() as url:
        environment = os.environ | {"HPKP_DATABASE_URL": url}
        subprocess.run(["sh", "-ec", script], env=environment, check=True, capture_output=True, text=True)
        assert token.read_text().startswith("hpkp_")
        engine = open_engine(url)
        with engine.connect() as connection:
            assert [(made.name, made.scope) for made in list_tokens(connection)] == [("prometheus", "read")]
        reader = make_url(url).set(drivername="postgresql", username=role, password="its-password")
        with psycopg.connect(reader.render_as_string(hide_password=False)) as connection:
            assert connection.execute("SELECT count(*) FROM hosts_v1").fetchone() == (0,)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as owner:
            owner.exec_driver_sql(f"DROP OWNED BY {role}")
            owner.exec_driver_sql(f"DROP ROLE {role}")
        engine.dispose()


def _provisioned(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / "provisioning" / kind / "hpkp.yaml").read_text())
    assert found["apiVersion"] == 1
    return found


def test_grafana_finds_its_data_sources() -> None:
    sources = {source["uid"]: source for source in _provisioned("datasources")["datasources"]}
    assert sources[STORE_UID]["type"] == "grafana-postgresql-datasource"
    assert sources[STORE_UID]["jsonData"]["database"], "asked for there, not beside it"
    used = set(re.findall(r"\$(\w+)", json.dumps(list(sources.values()))))
    given = {name for name in SERVICES["grafana"]["environment"] if name.startswith("COLLECTOR_")}
    assert used == given
    assert all(source["editable"] is False for source in sources.values())
    environment = SERVICES["grafana"]["environment"]
    assert environment["COLLECTOR_STORE_USER"] in SERVICES["prepare"]["command"][0]


def test_grafana_finds_its_dashboards_and_rules() -> None:
    mounts = dict(mount.split(":")[:2] for mount in SERVICES["grafana"]["volumes"])
    inside = {there: here for here, there in mounts.items()}
    for provider in _provisioned("dashboards")["providers"]:
        folder = ROOT / inside[provider["options"]["path"]]
        assert list(folder.glob("*.json"))
        assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
    provisioning = ROOT / inside["/etc/grafana/provisioning"]
    assert {path.parent.name for path in provisioning.glob("*/hpkp.*")} == {"datasources", "dashboards", "alerting"}


def test_prometheus_finds_its_configuration_its_rules_and_its_token() -> None:
    mounts = dict(mount.split(":")[:2] for mount in SERVICES["prometheus"]["volumes"])
    configuration = yaml.safe_load((FOLDER / "prometheus" / "prometheus.yaml").read_text())
    [job] = configuration["scrape_configs"]
    assert mounts["./dashboards/prometheus"] == "/etc/prometheus"
    assert "--config.file=/etc/prometheus/prometheus.yaml" in SERVICES["prometheus"]["command"]
    assert job["authorization"]["credentials_file"] == f"{mounts['tokens']}/prometheus"
    assert job["static_configs"] == [{"targets": ["collector:8000"]}]
    assert all((FOLDER / "prometheus" / name).is_file() for name in configuration["rule_files"])
