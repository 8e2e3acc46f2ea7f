"""Alert rules of Grafana over the store in PostgreSQL.

A query gives one number for each host, which is a label then; a threshold says when it fires. Grafana replaces ``$`` by
the environment in most of a provisioning file, but neither in queries nor in annotations.
"""

import json
from dataclasses import dataclass
from typing import Literal

from dashboards.definition.asked import OPEN, POSSIBLE_ATTACKS
from dashboards.definition.engines import POSTGRES, Json, in_schema, one_line
from dashboards.definition.host import HOST_DETAIL

STORE_UID = "hpkp-postgres"
"""The uid of the data source in provisioning/datasources."""
_EXPRESSION = "__expr__"
_SERVICE = "COALESCE((SELECT MAX(public_url) FROM service_v1), '') AS service"
_PANELS = {panel["title"]: str(panel["id"]) for panel in HOST_DETAIL.write(POSTGRES, [])["panels"]}
"""The number of each panel of the host's board, which an alert links to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule. ``back`` is how many seconds before now its time range begins."""

    uid: str
    title: str
    sql: str
    when: Literal["gt", "lt"]
    limit: float
    severity: Literal["critical", "warning"]
    summary: str
    description: str
    panel: str
    """The panel of the host's board that shows it."""
    lasting: str = "0s"
    back: int = 3600

    def write(self) -> Json:
        """Write it as Grafana's provisioning reads it."""
        return {
            "uid": self.uid,
            "title": self.title,
            "condition": "B",
            "data": [
                {
                    "refId": "A",
                    "datasourceUid": STORE_UID,
                    "relativeTimeRange": {"from": self.back, "to": 0},
                    "model": {
                        "refId": "A",
                        "editorMode": "code",
                        "rawQuery": True,
                        "format": "table",
                        "rawSql": in_schema(one_line(f"SELECT {_SERVICE}, found.* FROM ({self.sql}) found")),
                    },
                },
                {
                    "refId": "B",
                    "datasourceUid": _EXPRESSION,
                    "relativeTimeRange": {"from": 0, "to": 0},
                    "model": {
                        "refId": "B",
                        "type": "threshold",
                        "expression": "A",
                        "conditions": [{"evaluator": {"type": self.when, "params": [self.limit]}}],
                    },
                },
            ],
            "for": self.lasting,
            "noDataState": "OK",
            "execErrState": "Error",
            "labels": {"severity": self.severity},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                # What to do is on the host's page, with the numbers of the moment.
                "runbook_url": "{{ $labels.service }}/hosts/{{ $labels.host }}",
                "__dashboardUid__": HOST_DETAIL.uid,
                "__panelId__": _PANELS[self.panel],
            },
        }


RULES = (
    Rule(
        uid="hpkp-strangers-key",
        title="Possible attack",
        sql=(
            f"SELECT host, COUNT(*) AS value FROM violations_v1 WHERE cause IN ({POSSIBLE_ATTACKS}) AND {OPEN} "
            "GROUP BY host"
        ),
        when="gt",
        limit=0,
        panel="Top violations",
        severity="critical",
        summary="Clients of {{ $labels.host }} received a certificate with an unknown or compromised key.",
        description="A public CA issued for a key that is not yours, or a compromised key is on the path. Look at the "
        "open violations, and for the certificate in Certificate Transparency; close what you can explain.",
    ),
    Rule(
        uid="hpkp-not-ready",
        title="Not ready",
        sql="""
            SELECT host, mode, CASE verdict WHEN 'not_ready' THEN 1 ELSE 0 END AS value FROM hosts_v1 WHERE registered
        """,
        when="gt",
        limit=0,
        panel="Verdict",
        severity="warning",
        summary="{{ $labels.host }} ({{ $labels.mode }}) has a blocker.",
        description="In report-only mode enforcing would lock clients out; where pins are enforced, it does. The "
        "host's page says what to do.",
        lasting="15m",
    ),
    Rule(
        uid="hpkp-surge",
        title="Surge of configuration-error reports",
        sql="""
            SELECT host, SUM(reports) AS value FROM reports_hourly_v1
            WHERE $__timeFilter(time) AND cause IN ('own_key_not_pinned', 'other_trust_path') GROUP BY host
        """,
        when="gt",
        limit=100,
        panel="Reports by cause",
        severity="warning",
        summary="More than 100 reports of keys or paths of {{ $labels.host }} without a pin, within two hours.",
        description='At least {{ printf "%.0f" $values.A.Value }}: senders suppress repetitions. Check what was '
        "deployed.",
        back=7200,
    ),
    Rule(
        uid="hpkp-new-issuer",
        title="New certificate issuer",
        sql="""
            SELECT host, COUNT(*) AS value FROM issuers_v1
            WHERE $__timeFilter(first_received_at) AND cause <> 'implausible' GROUP BY host
        """,
        when="gt",
        limit=0,
        panel="Issuers seen",
        severity="warning",
        summary="Clients of {{ $labels.host }} received certificates of an issuer that was not seen before.",
        description="Within the last hour. The host's board lists the issuers; most new ones are interception.",
    ),
    Rule(
        uid="hpkp-no-canary",
        title="No canary",
        sql="""
            SELECT host, EXTRACT(EPOCH FROM now() - last_canary_at) / 3600 AS value FROM hosts_v1
            WHERE registered AND last_canary_at IS NOT NULL
        """,
        when="gt",
        limit=24,
        panel="Last canary",
        severity="critical",
        summary="No canary for {{ $labels.host }} arrived for a day, so reports may not arrive either.",
        description='The last one is {{ printf "%.0f" $values.A.Value }} hours old. '
        "Send one: hpkp canary {{ $labels.host }}",
        lasting="30m",
    ),
    Rule(
        uid="hpkp-leaf-expires",
        title="A leaf expires",
        sql="""
            SELECT host, EXTRACT(EPOCH FROM leaf_expires_at - now()) / 86400 AS value FROM hosts_v1
            WHERE registered AND leaf_expires_at IS NOT NULL
        """,
        when="lt",
        limit=14,
        panel="Leaf expires",
        severity="warning",
        summary='A leaf that {{ $labels.host }} serves expires in {{ printf "%.0f" $values.A.Value }} days.',
        description="Renew with the same key, or with one whose pin is in the policy; hpkp check tells beforehand.",
    ),
)


def provisioning() -> str:
    """Write the file for Grafana's folder ``provisioning/alerting``."""
    group = {
        "orgId": 1,
        "name": "hpkp",
        "folder": "HPKP",
        "interval": "1m",
        "rules": [rule.write() for rule in RULES],
    }
    return json.dumps({"apiVersion": 1, "groups": [group]}, indent=2, ensure_ascii=False) + "\n"
