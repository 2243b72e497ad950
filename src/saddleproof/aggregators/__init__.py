"""Robust rules (GradAGG, Definition 3): from m messages, b of them perhaps lies, to one vector."""

import lazy_loader

# The names, with the file of each, stand in __init__.pyi; a name is imported when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
