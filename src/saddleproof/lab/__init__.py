"""Experiments: many runs, judged by a truth that shares no code with what is judged."""

import lazy_loader

# The names, with the file of each, stand in __init__.pyi; a name is imported when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
