"""Configuration, run store, comparisons."""
