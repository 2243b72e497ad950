"""Figures, the HTML report, and what a terminal shows."""
