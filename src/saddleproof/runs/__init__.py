"""The run store: one SQLite file that keeps every round of every run."""
