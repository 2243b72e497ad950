"""Experiments: many runs, judged by a truth that shares no code with what is judged."""
