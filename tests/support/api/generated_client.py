"""A client generated from the OpenAPI document, and one call of each of its operations on a running service."""

import importlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from openapi_python_client import generate
from openapi_python_client.config import Config, ConfigFile, MetaType

from tests.support.reports import HOST, report_body, site
from tests.support.server import RunningService
from tools.write_openapi import TARGET

PACKAGE = "generated_hpkp_client"
DOCUMENT: dict[str, Any] = json.loads(TARGET.read_text(encoding="utf-8"))
TAGS = {
    operation["operationId"]: operation["tags"][0].replace("-", "_")
    for item in DOCUMENT["paths"].values()
    for operation in item.values()
}
"""The tag of each operation, which is the package that it is in."""


def generate_client(folder: Path) -> list[tuple[Any, ...]]:
    """Generate the client's package into a folder; return what the generator complains of."""
    config = Config.from_sources(
        config_file=ConfigFile(post_hooks=[], package_name_override=PACKAGE),
        meta_type=MetaType.NONE,
        document_source=TARGET,
        file_encoding="utf-8",
        overwrite=True,
        output_path=folder / PACKAGE,
    )
    return [(fault.level, fault.header, fault.detail) for fault in generate(config=config)]


@contextmanager
def client_of(service: RunningService, token: str) -> Iterator[Any]:
    """Return a client of the generated package, which must be on the path."""
    with importlib.import_module(PACKAGE).AuthenticatedClient(base_url=service.url, token=token, timeout=60) as client:
        yield client


def make_token(folder: Path) -> str:
    """Make a token with scope admin for the service of a folder."""
    command = [sys.executable, "-m", "app.cli", "token", "new", "generated", "--scope", "admin"]
    environment = os.environ | {"HPKP_DATABASE_URL": f"sqlite:///{folder}/hpkp.sqlite3"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


class Caller:
    """Calls operations of the generated package by their ids, and keeps the first request and answer of each."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.requests: dict[str, Any] = {}
        self.answers: dict[str, dict[str, bytes]] = {}
        self.models = importlib.import_module(f"{PACKAGE}.models")

    def __call__(self, operation: str, *place: Any, status: int = 200, model: str | None = None, **given: Any) -> Any:
        """Call one; return what the client made of the answer, which is a model of the name, or the raw body."""
        module = importlib.import_module(f"{PACKAGE}.api.{TAGS[operation]}.{operation}")
        answer = module.sync_detailed(*place, client=self.client, **given)
        assert answer.status_code == status, (operation, answer.content)
        assert type(answer.parsed).__name__ == (model or "NoneType"), operation
        media_type = answer.headers.get("content-type", "").partition(";")[0]
        self.answers.setdefault(operation, {}).setdefault(media_type, answer.content)
        if "body" in given:
            self.requests.setdefault(operation, given["body"])
        return answer.content if answer.parsed is None else answer.parsed


def call_every_operation(call: Caller) -> None:
    """Play a small rollout, so that there is something to answer with."""
    models = call.models
    file = importlib.import_module(f"{PACKAGE}.types").File

    call("get_liveness", model="Health")
    assert call("get_process_readiness", model="ReadyResponse").status == "ready"
    assert b"hpkp_submissions_total" in call("get_metrics")

    pins = {"pins": [{"sha256": site().root.pin, "label": "root"}, {"sha256": site().leaf.pin}]}
    policy = models.PolicyRequest.from_dict(pins | {"report_uri": "https://reports.example.net/report"})
    assert call("set_policy", HOST, body=policy, model="PolicySetResponse").revision == 1
    assert call("get_policy", HOST, model="PolicyResponse").pins[0].label == "root"
    call("list_policy_revisions", HOST, model="PagePolicyResponse")

    report = models.Report.from_dict(_report())
    call("send_report", body=report, status=204)
    call("send_report_with_label", "site", body=report, status=204)
    batch = [models.BatchEntry.from_dict({"type": "hpkp", "age": 0, "body": _report(port=8443)})]
    call("send_report", body=batch, status=204)
    call("send_report", body=models.Report.from_dict({"hostname": ""}), status=422, model="Problem")

    assert [host.host for host in call("list_hosts", model="PageHostResponse").items] == [HOST]
    assert call("get_summary", HOST, model="SummaryResponse").totals.reports == 3
    found = call("list_violations", host=HOST, model="PageViolationResponse").items
    assert {violation.port for violation in found} == {443, 8443}
    shown = call("get_violation", found[0].id, model="ViolationDetail")
    assert shown.validated_chain[0].pin == site().leaf.pin
    status = models.StatusRequest.from_dict({"status": "acknowledged", "note": "seen"})
    assert call("set_violation_status", found[0].id, body=status, model="ViolationDetail").note == "seen"
    many = models.StatusesRequest.from_dict({"ids": [found[0].id], "status": "acknowledged"})
    assert call("set_violation_statuses", body=many, model="StatusesResponse").changed == 1
    reports = call("list_reports", found[0].id, model="PageReportResponse").items
    assert call("get_report", reports[0].id, model="ReportResponse").violation_id == found[0].id
    certificate = call("get_certificate", shown.validated_chain[0].sha256, model="CertificateResponse")
    assert certificate.pem == site().leaf.pem
    assert call("list_rejections", model="PageRejectionResponse").items[0].outcome == "not_a_report"
    assert len(call("export_reports", host=HOST, model="str").splitlines()) == 3

    form = call.models.ExportFormat.CSV
    assert len(call("export_reports", host=HOST, format_=form, model="str").splitlines()) == 4
    chain = file(payload=io.BytesIO("".join(site().validated).encode()))
    assert call("check_chain", HOST, body=chain, model="CheckResponse").deployable is True
    other = models.WhatIfRequest.from_dict({"pins": [site().leaf.pin]})
    assert call("replay_violations", HOST, body=other, model="WhatIfResponse").host == HOST
    call("probe_host", HOST, body=models.ProbeRequest.from_dict({"port": 9}), model="ProbeResponse")
    call("get_probe", HOST, model="ProbeResponse")

    assert call("get_readiness", HOST, model="ReadinessResponse").verdict in ("not_ready", "not_enough_data")
    call("list_verdicts", HOST, model="PageVerdictResponse")
    exposure = models.ExposureRequest.from_dict({"sessions": 500})
    day = date(2026, 1, 2)
    assert call("set_exposure", HOST, day, body=exposure, model="ExposedDayResponse").date == day
    assert [item.sessions for item in call("list_exposure", HOST, model="PageExposedDayResponse").items] == [500]
    carried = models.CarriedPinsRequest.from_dict({"app": "shop", "app_version": "1"})
    assert call("set_carried_pins", HOST, body=carried, model="CarriedPinsResponse").app == "shop"
    assert call("list_carried_pins", HOST, model="PageCarriedPinsResponse").items[0].app == "shop"
    call("make_control", HOST, body=models.ControlRequest.from_dict({}), model="ControlResponse")
    call("get_control", HOST, model="ControlResponse")
    _call_apps(call)
    assert call("send_canary", HOST, model="CanaryResponse").received_at is None
    call("get_refusals", HOST, model="RefusalsResponse")
    decision = models.RefusalDecisionRequest.from_dict({"status": "ignored", "note": "ours"})
    call("set_refusal_decision", HOST, body=decision, model="RefusalsResponse")

    told = models.EventRequest.from_dict({"kind": "deployed", "text": "release 5", "host": HOST})
    assert call("create_event", body=told, status=201, model="EventResponse").text == "release 5"
    assert call("list_events", host=HOST, model="PageEventResponse").items
    call("list_overflow", model="PageOverflowResponse")

    call("withdraw_policy", HOST, status=204)
    missing = call("get_policy", HOST, status=404, model="Problem")
    assert (missing.status, missing.title) == (404, "Not found")
    deleted = call("delete_host", HOST, confirm=HOST, model="HostDeletionResponse")
    assert (deleted.host, deleted.policy_revisions) == (HOST, 2)


def _call_apps(call: Caller) -> None:
    """Register a release of an app with its installs, ask about it, and retire it."""
    models, pin = call.models, site().root.pin
    source = f'CertificatePinner.Builder().add("{HOST}", "sha256/{pin}", "sha256/{site().leaf.pin}").build()'
    release = models.ReleaseRequest.from_dict({"platform": "android", "files": [source]})
    call("register_release", "shop", "1.0", body=release, model="RegisteredResponse")
    counted = {"platform": "android", "day": "2026-01-02", "count": 1200, "version": "1.0"}
    call("put_installs", "shop", body=[models.InstallsRequest.from_dict(counted)], model="PageInstallsResponse")
    assert call("list_installs", "shop", model="PageInstallsResponse").items[0].count == 1200
    assert call("list_apps", model="PageAppResponse").items[0].releases[0].version == "1.0"
    assert call("list_all_releases", model="PageReleaseResponse").items[0].version == "1.0"
    call("list_app_releases", "shop", model="PageReleaseResponse")
    call("find_keys", HOST, model="KeySetsResponse")
    retired = models.RetireRequest.from_dict({"platform": "android", "retired": True})
    call("retire_release", "shop", "1.0", body=retired, model="ReleaseResponse")


def _report(**members: Any) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(report_body(**members))
    return read
