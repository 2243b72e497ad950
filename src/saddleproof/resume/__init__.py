"""Saving a run and going on with it: what it was begun with, and whether its state is sound."""

from saddleproof.resume.take_up import Saver, fingerprint_of, leading, take_up

__all__ = ["Saver", "fingerprint_of", "leading", "take_up"]
