"""The house itself: what an import loads, which names are public, who imports whom."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import saddleproof as sp

SOURCE = Path(sp.__file__).parent
PUBLIC = [name for name in sp.__all__ if name != "__version__"]

#: What is slow to load, or an extra, or for the command line only. (NumPy itself loads modules of
#: others, where they are installed; those are not ours to forbid.)
HEAVY = {"click", "matplotlib", "numba", "rich", "scipy", "sklearn", "torch"}

#: What the extras install; a module of ours that loads one of these at once needs that extra.
OF_EXTRAS = {"cryptography", "flwr", "google", "grpc", "jax", "numba", "ray", "torch"}


def third_party_loaded_by(code: str) -> set[str]:
    """Top-level modules outside the standard library that `code` loads in a fresh interpreter."""
    probe = f"""
import sys
before = set(sys.modules)
{code}
print(*sorted({{name.partition(".")[0] for name in set(sys.modules) - before}}))
"""
    ran = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True)
    loaded = {name for name in ran.stdout.split() if not name.startswith("_")}
    return loaded - sys.stdlib_module_names - {"saddleproof"}


def test_import_loads_nothing_but_the_lazy_loader() -> None:
    # lazy-loader reads versions by `packaging` where that is installed.
    assert third_party_loaded_by("import saddleproof") - {"packaging"} == {"lazy_loader"}


def test_the_aggregators_need_numpy_and_the_array_api_only() -> None:
    code = "import numpy, saddleproof as sp; sp.Median()(numpy.eye(3), b=1)"
    loaded = third_party_loaded_by(code)
    assert loaded >= {"array_api_compat", "numpy"}
    assert loaded.isdisjoint(HEAVY)


def test_all_public_names_together_load_no_extra() -> None:
    code = "import saddleproof as sp\nfor name in sp.__all__: getattr(sp, name)"
    assert third_party_loaded_by(code).isdisjoint(HEAVY)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(sp, name)
    assert inspect.getdoc(value)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert value.__module__.startswith(f"saddleproof.{homes()[name]}")
        assert value.__name__ == name


def homes() -> dict[str, str | None]:
    """Public name to the module that the stub imports it from; None for a module of ours."""
    tree = ast.parse((SOURCE / "__init__.pyi").read_text())
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module for node in imports for alias in node.names}


def test_type_checkers_and_users_see_the_same_names() -> None:
    tree = ast.parse((SOURCE / "__init__.pyi").read_text())
    listed = next(node.value for node in tree.body if isinstance(node, ast.Assign))
    assert set(ast.literal_eval(listed)) - {"__version__"} == set(PUBLIC) == set(homes())
    assert set(sp.__all__) <= set(dir(sp))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        sp.nothing  # noqa: B018 - reading it is the test


@pytest.mark.parametrize("first", ["import saddleproof.loop", "saddleproof.Result", "pass"])
def test_minimize_is_the_function_whatever_was_imported_before(first: str) -> None:
    code = f"import saddleproof\n{first}\nassert saddleproof.minimize.__name__ == 'minimize'"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_installed_version_is_the_one_in_the_source() -> None:
    assert metadata.version("saddleproof") == sp.__version__


def test_the_package_ships_its_types() -> None:
    assert (SOURCE / "py.typed").exists()


def test_imports_point_one_way() -> None:
    linter = pytest.importorskip("importlinter.cli")
    config = SOURCE.parents[1] / "pyproject.toml"
    assert linter.lint_imports(str(config), no_cache=True) == linter.EXIT_STATUS_SUCCESS


def modules() -> list[str]:
    files = SOURCE.rglob("*.py")
    names = (".".join(file.relative_to(SOURCE.parent).with_suffix("").parts) for file in files)
    return sorted(name.removesuffix(".__init__") for name in names)


@pytest.mark.parametrize("name", modules())
def test_every_module_imports_and_says_what_it_is(name: str) -> None:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in OF_EXTRAS:
            raise
        pytest.skip(f"{error.name} is not installed")
    assert module.__doc__


def test_no_file_is_longer_than_a_head_can_hold() -> None:
    names = SOURCE / "__init__.py"  # one line a public name: a list, nothing to hold
    files = [file for file in SOURCE.rglob("*.py") if file != names]
    lengths = {file.relative_to(SOURCE): len(file.read_text().splitlines()) for file in files}
    assert {file: n for file, n in lengths.items() if n > 300} == {}
