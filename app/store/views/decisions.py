"""Views of the decision itself, as numbers: by host, audience and day, and how each criterion stood."""

from app.store.views.dialect import Dialect, instant

_AUDIENCE = "d.host, d.audience, d.app, d.app_version"


def _rank(text: str, worst: str, middle: str, best: str) -> str:
    """Write a word as 0 to 2, from the worst to the best."""
    return f"CASE {text} WHEN '{worst}' THEN 0 WHEN '{middle}' THEN 1 WHEN '{best}' THEN 2 END"


def decisions_daily(sql: Dialect) -> str:
    """Select a row for each host, audience and day on which it was assessed."""
    rank = _rank("d.verdict", "not_ready", "not_enough_data", "ready")
    return f"""
        SELECT {instant(sql, "d.day", "time")}, {_AUDIENCE}, d.revision, d.verdict, {rank} AS verdict_rank,
            d.locked_out, d.exposed, d.share, d.upper AS bound, d.share_limit, d.delivery AS delivery_rate,
            d.covered_days, d.needed_days, {instant(sql, "d.at", "assessed_at")}
        FROM decision_days d
    """


def criteria_daily(sql: Dialect) -> str:
    """Select a row for each criterion of these."""
    return f"""
        SELECT {instant(sql, "d.day", "time")}, {_AUDIENCE}, c.key AS criterion, c.value AS state,
            {_rank("c.value", "blocked", "missing_evidence", "met")} AS state_rank, c.value = 'met' AS met
        FROM decision_days d
        JOIN {sql.members("d.criteria", "c")} ON TRUE
    """
