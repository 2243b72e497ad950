"""Problems with a known saddle, and `Problem` for a loss of one's own.

>>> import saddleproof as sp
>>> sp.problems.Example1(seed=0).saddle
array([0.])
"""

import lazy_loader

from saddleproof.arguments.renamed import with_old_names

# The names, with the file of each, stand in __init__.pyi; a name is imported when it is first used.
_found, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = with_old_names(_found, __name__)
