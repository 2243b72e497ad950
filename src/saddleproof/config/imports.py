"""From where a configuration may take classes and functions that are not ours.

To import a module is to run it. A configuration that names `package.module:Class` therefore imports
modules of saddleproof, modules that the user named, and modules in the configuration's own folder;
and what it takes must be made in such a module, not merely imported there.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from saddleproof.arguments import suggest
from saddleproof.errors import ConfigError, OptionError, SaddleproofError
from saddleproof.printed import reason

_OURS = "saddleproof"
_WORD = r"[^\W\d]\w*"
_MODULE = re.compile(rf"{_WORD}(\.{_WORD})*")


@dataclass(frozen=True)
class Imports:
    """From where classes and functions may come, beside saddleproof itself.

    Args:
        modules: "package" or "package.module"; what is inside of it is allowed too.
        folder: of the configuration. Modules and packages that stand in it are allowed. It is on
            `sys.path`, at the end, only while one of them is imported.

    Raises:
        OptionError: a module has no name of that form.
    """

    modules: tuple[str, ...] = ()
    folder: Path | None = None

    def __post_init__(self) -> None:
        for module in self.modules:
            if not _MODULE.fullmatch(module):
                raise OptionError(
                    f"an allowed import is a module, such as package.module; got {module!r}"
                )

    @classmethod
    def beside(cls, path: str | os.PathLike[str], allow: Sequence[str]) -> Self:
        """What the configuration at `path` may import: `allow`, and what its real folder holds."""
        return cls(tuple(allow), Path(os.path.realpath(Path(path).parent)))

    def load(self, name: str) -> Any:
        """The class or function behind `package.module:name`.

        Raises:
            ConfigError: the module may not be imported, or cannot; or it makes no such thing.
        """
        try:
            return self._load(name)
        except ConfigError as error:
            raise ConfigError(f"cannot load {name!r}: {error}") from error

    def named(self, module: str) -> bool:
        """Whether the module, or a package around it, is among those that are named."""
        return any(module == one or module.startswith(f"{one}.") for one in self.modules)

    def _load(self, name: str) -> Any:
        module, _, attribute = name.partition(":")
        if not _MODULE.fullmatch(module) or not re.fullmatch(_WORD, attribute):
            raise ConfigError("this is not of the form package.module:Class")
        self._check(module)
        try:
            with self._findable(module):
                home = importlib.import_module(module)
            found = getattr(home, attribute, None)  # some modules of ours import by need
        except SaddleproofError as error:  # an extra is missing
            raise ConfigError(str(error)) from error
        except (Exception, SystemExit) as error:  # a module's code may raise anything
            raise ConfigError(reason(error)) from error
        if not (inspect.isclass(found) or inspect.isfunction(found)):
            own = [key for key, one in vars(home).items() if inspect.isclass(one)]
            raise ConfigError(
                f"{module} has no class or function of that name; {suggest(attribute, own)}"
            )
        self._check(str(found.__module__))
        return found

    def _check(self, module: str) -> None:
        """Refuse a module that may not be imported."""
        top = module.partition(".")[0]
        if top == _OURS or self.named(module) or self._stands_in_folder(top):
            return
        if self.folder is not None and self._could_be(top):
            raise ConfigError(
                f"the configuration's folder has a {top}, and another module of that name is "
                "loaded or installed; rename it"
            )
        raise ConfigError(
            f"{module} is no module of saddleproof, nor in the configuration's folder; to trust "
            f"it, give --allow-import {module}"
        )

    def _stands_in_folder(self, top: str) -> bool:
        """Whether Python finds this module in the folder, and nowhere before it; none is run."""
        if self.folder is None:
            return False
        with self._findable(top):
            try:
                spec = importlib.util.find_spec(top)
            except (ImportError, ValueError):  # ValueError: a loaded module that hides its origin
                return False
        if spec is None:
            return False
        places = spec.submodule_search_locations or [spec.origin or ""]
        stands = [Path(place) for place in places]
        if not all(place.is_absolute() for place in stands):  # "frozen", "built-in"
            return False
        folder = self.folder.resolve()
        return all(place.parent.resolve() == folder for place in stands)

    def _could_be(self, top: str) -> bool:
        assert self.folder is not None  # noqa: S101 (for the type checker: who calls has asked)
        return (self.folder / f"{top}.py").exists() or (self.folder / top).is_dir()

    @contextmanager
    def _findable(self, module: str) -> Iterator[None]:
        """The folder at the end of `sys.path`, unless the module is ours."""
        if self.folder is None or module.partition(".")[0] == _OURS:
            yield
            return
        importlib.invalidate_caches()  # the file may be younger than the last look at its folder
        entry = str(self.folder)
        sys.path.append(entry)
        try:
            yield
        finally:
            last = len(sys.path) - 1 - sys.path[::-1].index(entry) if entry in sys.path else None
            if last is not None:
                del sys.path[last]
