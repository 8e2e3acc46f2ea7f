"""Reports that came in one body are judged within one budget, so that a batch costs little more than a report.

An answer never depends on what else was in the body: each report has a budget of its own, and if the body cannot pay
for that there is no answer. The first report can always be paid for. Pure.
"""

from app.hpkp.judgement.judge import Judgement, JudgeWithinBudget
from app.hpkp.policy import PolicyHistory
from app.hpkp.report import ViolationReport
from app.hpkp.x509.budget import BodyBudget, BodyBudgetSpent, Budget


class BodyBudgets:
    """What the bodies of a batch have left, by what names each."""

    def __init__(self, judge: JudgeWithinBudget) -> None:
        self._judge = judge
        self._by_body: dict[bytes, BodyBudget] = {}

    def judge(self, body: bytes, report: ViolationReport, history: PolicyHistory, received_at: int) -> Judgement | None:
        """Judge a report at its receipt (milliseconds); None if its body cannot pay for that, and from then on."""
        # From the first report on, so that the order within the body decides who is paid for.
        budget = self._by_body.setdefault(body, BodyBudget())
        try:
            budget.charge_report((report.served_chain or (), report.validated_chain or ()))
            # A budget of its own beside that of the body: its answer is the same in any other body (decision 25).
            return self._judge(report, history, received_at, received_at, Budget(body=budget))
        except BodyBudgetSpent:
            return None
