from .calling import Comparison, compare
from .red_team.search import redteam
from .report.workers import WorkerRecord, WorkerReport, workers

__all__ = ["Comparison", "WorkerRecord", "WorkerReport", "compare", "redteam", "workers"]
