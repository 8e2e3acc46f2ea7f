"""Alert rules of Grafana over the store in PostgreSQL.

A query gives one number for each host, which is a label then; a threshold says when it fires. Grafana replaces ``$`` by
the environment in most of a provisioning file, but neither in queries nor in annotations.
"""

import json
from dataclasses import dataclass
from typing import Literal

from dashboards.definition.asked import ALARMING, OPEN
from dashboards.definition.engines import Json, one_line

STORE_UID = "hpkp-postgres"
"""The uid of the data source in provisioning/datasources."""
_EXPRESSION = "__expr__"


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
                        "rawSql": one_line(self.sql),
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
            "annotations": {"summary": self.summary, "description": self.description},
        }


RULES = (
    Rule(
        uid="hpkp-strangers-key",
        title="A key that is not yours",
        sql=f"SELECT host, COUNT(*) AS value FROM violations_v1 WHERE cause IN ({ALARMING}) AND {OPEN} GROUP BY host",
        when="gt",
        limit=0,
        severity="critical",
        summary="Clients of {{ $labels.host }} met with a key that may be an attacker's.",
        description="A CA vouches for a key that is not yours, or a key known to be bad stands in between. Look at the "
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
        severity="warning",
        summary="{{ $labels.host }} ({{ $labels.mode }}) has a blocker.",
        description="In report-only mode enforcing would lock clients out; where pins are enforced, it does. The "
        "host's page says what to do.",
        lasting="15m",
    ),
    Rule(
        uid="hpkp-surge",
        title="Many reports of our own mistakes",
        sql="""
            SELECT host, SUM(reports) AS value FROM reports_hourly_v1
            WHERE $__timeFilter(time) AND cause IN ('own_key_not_pinned', 'other_trust_path') GROUP BY host
        """,
        when="gt",
        limit=100,
        severity="warning",
        summary="More than 100 reports of keys or paths of {{ $labels.host }} without a pin, within two hours.",
        description="At least {{ $values.A.Value }}: senders suppress repetitions. Look at what was deployed.",
        back=7200,
    ),
    Rule(
        uid="hpkp-new-issuer",
        title="An issuer not seen before",
        sql="""
            SELECT host, COUNT(*) AS value FROM issuers_v1
            WHERE $__timeFilter(first_received_at) AND cause <> 'implausible' GROUP BY host
        """,
        when="gt",
        limit=0,
        severity="warning",
        summary="Clients of {{ $labels.host }} met with certificates of an issuer not seen before.",
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
        severity="critical",
        summary="No canary for {{ $labels.host }} arrived for a day, so reports may not arrive either.",
        description="The last one is {{ $values.A.Value }} hours old. Send one: hpkp canary {{ $labels.host }}",
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
        severity="warning",
        summary="A leaf that {{ $labels.host }} serves expires in {{ $values.A.Value }} days.",
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
