"""Views of hosts: policies and pins, what is served, exposure, canaries, and the verdicts."""

from app.store.views.dialect import Dialect, instant

_DAY_MS = 86_400_000

_IN_FORCE = """
    SELECT * FROM (
        SELECT p.*, ROW_NUMBER() OVER (
            PARTITION BY p.host ORDER BY p.effective_from DESC, p.revision DESC
        ) AS age
        FROM policy_revisions p
    ) newest WHERE age = 1 AND NOT withdrawn
"""
"""The policy in force of each host; none is set for the future."""

_LAST_VERDICT = """
    SELECT * FROM (
        SELECT w.*, ROW_NUMBER() OVER (PARTITION BY w.host ORDER BY w.id DESC) AS age FROM verdicts w
    ) newest WHERE age = 1
"""


def _rank(verdict: str) -> str:
    """Order verdicts from worst to best."""
    return f"CASE {verdict} WHEN 'not_ready' THEN 0 WHEN 'not_enough_data' THEN 1 WHEN 'ready' THEN 2 END"


def _codes(sql: Dialect, severity: str) -> str:
    """Name the findings of a verdict that have a severity."""
    return f"(SELECT {sql.joined('f.key')} FROM {sql.members('v.findings', 'f')} WHERE f.value = '{severity}')"


def _live(sql: Dialect) -> str:
    """Walk the certificates that the last look at each host saw."""
    chains = sql.keyed("chains", "digest", ("elements",))
    certificates = sql.keyed("certificates", "sha256", ("pin", "subject", "issuer", "not_after"))
    sha256 = sql.text_at("s.elements", sql.position("e"), "sha256")
    unreadable_pin = sql.text_at("s.elements", sql.position("e"), "pin")
    return f"""
        SELECT l.host, l.last_at, {sql.text("a.value", "address")} AS address, {sql.position("e")} AS position,
            COALESCE(k.pin, {unreadable_pin}) AS pin, k.subject, k.issuer, k.not_after
        FROM (
            SELECT * FROM (
                SELECT q.*, ROW_NUMBER() OVER (PARTITION BY q.host ORDER BY q.last_at DESC, q.id DESC) AS age
                FROM probes q WHERE q.reached
            ) newest WHERE age = 1
        ) l
        JOIN {sql.walk(sql.member("l.seen", "'endpoints'"), "a")} ON TRUE
        JOIN {sql.walk_texts(sql.member("a.value", "'chains'"), "d")} ON TRUE
        JOIN {chains} s ON {sql.meets("s.digest", "d.value")}
        JOIN {sql.walk("s.elements", "e")} ON TRUE
        LEFT JOIN {certificates} k ON {sql.meets("k.sha256", sha256)}
    """


def hosts(sql: Dialect) -> str:
    """Select a row for each host."""
    blockers, cautions = _codes(sql, "blocker"), _codes(sql, "caution")
    return f"""
        SELECT h.name AS host,
            p.host IS NOT NULL AS registered,
            p.revision AS policy_revision,
            p.mode,
            p.max_age,
            {instant(sql, "p.effective_from", "policy_since")},
            ({sql.now} - p.effective_from) / {_DAY_MS} AS observed_days,
            v.verdict,
            {_rank("v.verdict")} AS verdict_rank,
            {instant(sql, "v.since", "verdict_since")},
            v.headline,
            {blockers} AS blockers,
            {cautions} AS cautions,
            CASE WHEN p.host IS NULL THEN 'set a policy'
                ELSE COALESCE(v.next_step, 'first verdict pending') END AS next_step,
            COALESCE(t.violations, 0) AS violations,
            COALESCE(t.open_violations, 0) AS open_violations,
            COALESCE(t.reports, 0) AS reports,
            COALESCE(b.clients, 0) AS clients_of_busiest_day,
            {instant(sql, "t.last_received_at", "last_report_at")},
            {instant(sql, "c.received_at", "last_canary_at")},
            {instant(sql, "q.last_at", "last_probe_at")},
            {instant(sql, "l.not_after", "leaf_expires_at")}
        FROM hosts h
        LEFT JOIN ({_IN_FORCE}) p ON p.host = h.name
        LEFT JOIN (
            SELECT n.*, (
                SELECT MIN(w.at) FROM verdicts w WHERE w.host = n.host AND w.id > COALESCE(
                    (SELECT MAX(x.id) FROM verdicts x WHERE x.host = n.host AND x.verdict <> n.verdict), 0)
            ) AS since
            FROM ({_LAST_VERDICT}) n
        ) v ON v.host = h.name AND p.host IS NOT NULL
        LEFT JOIN (
            SELECT host, COUNT(*) AS violations, CAST(SUM(reports) AS BIGINT) AS reports,
                SUM(CASE WHEN status IN ('open', 'acknowledged') THEN 1 ELSE 0 END) AS open_violations,
                MAX(last_received_at) AS last_received_at
            FROM violations GROUP BY host
        ) t ON t.host = h.name
        LEFT JOIN (SELECT host, MAX(clients) AS clients FROM host_clients GROUP BY host) b ON b.host = h.name
        LEFT JOIN (SELECT host, MAX(received_at) AS received_at FROM canaries GROUP BY host) c ON c.host = h.name
        LEFT JOIN (SELECT host, MAX(last_at) AS last_at FROM probes GROUP BY host) q ON q.host = h.name
        LEFT JOIN (
            SELECT host, MIN(not_after) AS not_after FROM ({_live(sql)}) n WHERE position = 0 GROUP BY host
        ) l ON l.host = h.name
    """


def policies(sql: Dialect) -> str:
    """Select a row for each revision of a policy."""
    return f"""
        SELECT r.host, r.revision, {instant(sql, "r.effective_from", "effective_from")}, r.mode, r.max_age,
            r.include_subdomains, r.report_uri, r.withdrawn, p.revision IS NOT NULL AS in_force
        FROM policy_revisions r
        LEFT JOIN ({_IN_FORCE}) p ON p.host = r.host AND p.revision = r.revision
    """


def expected_pins(sql: Dialect) -> str:
    """Walk the pins of each revision of each policy."""
    return f"""
        SELECT r.host, r.revision, {sql.position("e")} AS position, {sql.text("e.value", "sha256")} AS pin,
            {sql.text("e.value", "label")} AS label, p.revision IS NOT NULL AS in_force
        FROM policy_revisions r
        JOIN {sql.walk("r.pins", "e")} ON TRUE
        LEFT JOIN ({_IN_FORCE}) p ON p.host = r.host AND p.revision = r.revision
    """


def pins(sql: Dialect) -> str:
    """Select a row for each pin of each revision."""
    return f"""
        SELECT x.host, x.revision, x.position, x.pin, x.label, x.in_force,
            CASE WHEN EXISTS (SELECT 1 FROM probes q WHERE q.host = x.host AND q.reached)
                THEN l.pin IS NOT NULL END AS in_live_chain
        FROM ({expected_pins(sql)}) x
        LEFT JOIN (SELECT DISTINCT host, pin FROM ({_live(sql)}) n) l ON l.host = x.host AND l.pin = x.pin
    """


def live_chain(sql: Dialect) -> str:
    """Select a row for each certificate that the last look saw."""
    return f"""
        SELECT host, {instant(sql, "last_at", "seen_at")}, address, position, subject,
            {sql.common_name("subject")} AS subject_name, issuer, {sql.common_name("issuer")} AS issuer_name, pin,
            {instant(sql, "not_after", "not_after")}
        FROM ({_live(sql)}) n
    """


def exposure(sql: Dialect) -> str:
    """Select a row for each day, app and version of which exposure is known."""
    return f"SELECT {instant(sql, 'day', 'time')}, host, app, app_version, sessions, clients, origin FROM exposures"


def canaries(sql: Dialect) -> str:
    """Select a row for each canary."""
    return f"""
        SELECT {instant(sql, "sent_at", "time")}, host, report_uri, {instant(sql, "received_at", "received_at")},
            received_at IS NOT NULL AS arrived, (received_at - sent_at) / 1000 AS seconds, fault
        FROM canaries
    """


def verdicts(sql: Dialect) -> str:
    """Select a row for each verdict that differs from the one before."""
    return f"""
        SELECT {instant(sql, "w.at", "time")}, {instant(sql, "w.until", "until")}, w.id AS verdict_id, w.host,
            w.revision, w.verdict, {_rank("w.verdict")} AS verdict_rank, w.headline, w.change
        FROM (SELECT v.*, LEAD(v.at) OVER (PARTITION BY v.host ORDER BY v.id) AS until FROM verdicts v) w
    """


def findings(sql: Dialect) -> str:
    """Select a row for each finding of each verdict."""
    rank = "CASE f.value WHEN 'blocker' THEN 0 WHEN 'caution' THEN 1 ELSE 2 END"
    return f"""
        SELECT {instant(sql, "w.at", "time")}, w.host, w.id AS verdict_id, f.key AS code, f.value AS severity,
            {rank} AS severity_rank, l.id IS NOT NULL AS in_last_verdict
        FROM verdicts w
        JOIN {sql.members("w.findings", "f")} ON TRUE
        LEFT JOIN ({_LAST_VERDICT}) l ON l.id = w.id
    """
