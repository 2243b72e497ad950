"""Problems with a known saddle, and `Problem` for a loss of one's own.

>>> import saddleproof as sp
>>> sp.problems.Example1(seed=0).saddle
array([0.])
"""

import lazy_loader

# The names, with the file of each, stand in __init__.pyi; a name is imported when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
