from .red_team.search import redteam
from .report.workers import WorkerRecord, WorkerReport, workers

__all__ = ["WorkerRecord", "WorkerReport", "redteam", "workers"]
