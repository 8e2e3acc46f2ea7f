"""Views of violations: what each is, its chains and pins, and who issued what was seen."""

from app.store.views.dialect import Dialect, instant
from app.store.views.hosts import expected_pins

_CERTIFICATE = ("pin", "subject", "issuer", "not_before", "not_after", "unreadable")


def violations(sql: Dialect) -> str:
    """Select a row for each violation."""
    told = "v.judgement"
    return f"""
        SELECT v.id AS violation_id, v.host, v.hostname, v.port, v.noted_hostname, v.mode, v.sender, v.sender_result,
            v.cause, {sql.text(told, "side")} AS side, {sql.text(told, "why")} AS why,
            v.locks_out, {sql.text(told, "product")} AS product,
            {sql.text(told, "anchor")} AS anchor, {sql.text(told, "anchor_subject")} AS anchor_subject,
            {sql.text(told, "judged_chain")} AS judged_chain, {sql.whole(told, "failing")} AS failing,
            {sql.whole(told, "policy_revision")} AS policy_revision, v.status, v.note,
            v.reports, v.clients,
            {instant(sql, "v.first_received_at", "first_received_at")},
            {instant(sql, "v.last_received_at", "last_received_at")},
            {instant(sql, "v.judged_at", "judged_at")},
            v.counts
        FROM violations v
    """


def _judged(sql: Dialect) -> str:
    """Walk the certificates of both chains of each violation, as they were judged."""
    sha256 = sql.text_at("s.elements", sql.position("f"), "sha256")
    return f"""
        SELECT v.id AS violation_id, v.host, v.reports, v.first_received_at, v.last_received_at, v.cause,
            w.chain, w.chain = {sql.text("v.judgement", "judged_chain")} AS judged, {sql.position("f")} AS position,
            {sha256} AS sha256, {sql.text_at("s.elements", sql.position("f"), "unreadable")} AS unreadable,
            {sql.text("f.value", "pin")} AS pin,
            {sql.truth("f.value", "in_known_pins")} AS in_known_pins,
            {sql.truth("f.value", "in_expected_pins")} AS in_expected_pins,
            {sql.truth("f.value", "in_former_pins")} AS in_former_pins,
            {sql.truth("f.value", "own_key")} AS own_key,
            {sql.truth("f.value", "on_path")} AS on_path,
            {sql.truth("f.value", "failing")} AS failing
        FROM violations v
        JOIN (SELECT 'served' AS chain UNION ALL SELECT 'validated') w ON TRUE
        JOIN chains s ON s.digest = CASE w.chain WHEN 'served' THEN v.served_chain ELSE v.validated_chain END
        JOIN {sql.walk(sql.member("v.judgement", "w.chain"), "f")} ON TRUE
    """


def chain_certificates(sql: Dialect) -> str:
    """Select a row for each certificate of each chain of a violation."""
    certificates = sql.keyed("certificates", "sha256", _CERTIFICATE)
    return f"""
        SELECT j.violation_id, j.host, j.chain, j.judged, j.position, j.sha256, c.subject,
            {sql.common_name("c.subject")} AS subject_name, c.issuer, {sql.common_name("c.issuer")} AS issuer_name,
            j.pin,
            {instant(sql, "c.not_before", "not_before")}, {instant(sql, "c.not_after", "not_after")},
            j.in_known_pins, j.in_expected_pins, j.in_former_pins, j.own_key, j.on_path, j.failing,
            COALESCE(c.unreadable, j.unreadable) AS unreadable
        FROM ({_judged(sql)}) j
        LEFT JOIN {certificates} c ON {sql.meets("c.sha256", "j.sha256")}
    """


def known_pins(sql: Dialect) -> str:
    """Select a row for each pin that the clients of a violation knew."""
    return f"""
        SELECT v.id AS violation_id, v.host, {sql.position("e")} AS position, e.value AS pin,
            MAX(CASE WHEN x.in_force THEN 1 ELSE 0 END) = 1 AS expected,
            MAX(CASE WHEN x.pin IS NULL THEN 0 ELSE 1 END) = 1 AS ever_expected,
            MAX(x.label) AS label
        FROM violations v
        JOIN {sql.walk_texts("v.known_pins", "e")} ON TRUE
        LEFT JOIN ({expected_pins(sql)}) x ON x.host = v.host AND x.pin = e.value
        GROUP BY v.id, v.host, {sql.position("e")}, e.value
    """


def issuers(sql: Dialect) -> str:
    """Select a row for each issuer of leaves that violations showed for a host."""
    certificates = sql.keyed("certificates", "sha256", _CERTIFICATE)
    return f"""
        SELECT m.host, m.issuer, {sql.common_name("m.issuer")} AS issuer_name, m.cause,
            COUNT(DISTINCT m.violation_id) AS violations,
            CAST(SUM(CASE WHEN m.first_of_violation = 1 THEN m.reports ELSE 0 END) AS BIGINT) AS reports,
            COUNT(DISTINCT m.network) AS networks,
            {instant(sql, "MIN(m.first_received_at)", "first_received_at")},
            {instant(sql, "MAX(m.last_received_at)", "last_received_at")}
        FROM (
            SELECT j.*, c.issuer, n.network,
                ROW_NUMBER() OVER (PARTITION BY j.violation_id ORDER BY n.network) AS first_of_violation
            FROM ({_judged(sql)}) j
            JOIN {certificates} c ON {sql.meets("c.sha256", "j.sha256")}
            LEFT JOIN violation_networks n ON n.violation_id = j.violation_id
            WHERE j.judged AND j.position = 0 AND c.issuer IS NOT NULL
        ) m
        GROUP BY m.host, m.issuer, m.cause
    """


def certificates(sql: Dialect) -> str:
    """Select a row for each certificate that was ever seen."""
    return f"""
        SELECT {sql.hex("sha256")} AS sha256, pin, subject, issuer, {instant(sql, "not_before", "not_before")},
            {instant(sql, "not_after", "not_after")}, unreadable
        FROM certificates
    """
