"""A configuration imports what the user says, and takes only members of the family it names."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import saddleproof as sp
from saddleproof.cli import main
from saddleproof.config.imports import Imports
from saddleproof.config.members import TABLES, find, table
from saddleproof.config.parse import load, parse
from saddleproof.config.setup import build
from saddleproof.errors import ConfigError, OptionError

MINE = """
from subprocess import Popen
import helper_of_mine
from saddleproof import Median

class Rule(Median):
    "A rule."

class NoRule:
    def __init__(self): raise SystemError("this was built")

def lie(view):
    return -view.honest

def rule():
    return Median()

def plan(d, inexactness, step=0.1):
    "A schedule."
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a module, one beside it, and a package."""
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "helper_of_mine.py").write_text("")
    (tmp_path / "boxed").mkdir()
    (tmp_path / "boxed" / "__init__.py").write_text("")
    (tmp_path / "boxed" / "inner.py").write_text(
        "from saddleproof import Median\nclass Deep(Median): ..."
    )
    before = dict(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - set(before):
        if name.partition(".")[0] in {"mine", "helper_of_mine", "boxed", "loud"}:
            del sys.modules[name]


def written(folder: Path, aggregator: str, **others: str) -> Path:
    """A configuration in this folder that names this rule."""
    chosen = "".join(f'{family} = "{name}"\n' for family, name in others.items())
    path = folder / "c.toml"
    path.write_text(
        f'problem = "example1"\naggregator = "{aggregator}"\n{chosen}run = {{ b = 1 }}\n'
    )
    return path


def refusal(path: Path, *allowed: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path, allowed)
    said = str(caught.value)
    assert said.isprintable()
    assert f"{path}, line " in said
    return said


#: Modules of Python; some have no file, and say "frozen" or "built-in" of where they are.
PYTHONS = {"os", "builtins", "subprocess", "posix", "zipimport", "functools"}


@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "builtins:exec",
        "subprocess:run",
        "subprocess:Popen",
        "posix:system",
        "zipimport:zipimporter",
        "functools:partial",
        "saddleproof.cli.serve:os.system",
        "saddleproof.lab.children:os.system",
        "saddleproof.lab.children:os",
        "saddleproof.config.imports:importlib",
        "saddleproof.config.imports:Path",
        "saddleproof.config.members:Member.build",
        "saddleproof.__main__:main",
        "saddleproof.cli:main",
        "saddleproof.loop:minimize",
        "saddleproof.storage.files:replace",
        "saddleproof.printed:reason",
        "saddleproof..os:system",
        "saddleproof.os:system",
        "..os:system",
        ".os:system",
        ":x",
        "x:",
        ":",
        "os:",
        "os:system:x",
        "saddleproof.aggregators.median:",
        "saddleproof.aggregators.median:__class__",
        "saddleproof.aggregators.median:Median.__init__",
        "saddleproof.aggregators.median:Median ",
        "saddleproof.nowhere:X",
        "saddleproof evil:X",
        "saddleproof/../os:system",
        "saddleproofer:X",
    ],
)
@pytest.mark.parametrize("family", TABLES)
def test_what_is_not_a_member_of_the_family_is_refused_before_it_is_called(
    family: str, name: str, tmp_path: Path
) -> None:
    for imports in (Imports(), Imports((), tmp_path), Imports((), Path.cwd())):
        with pytest.raises(ConfigError) as caught:
            find(family, name, imports)
        assert str(caught.value).isprintable()
        if name.partition(":")[0] in PYTHONS and name.count(":") == 1 and name[-1] != ":":
            assert "is no module of saddleproof" in str(caught.value)


@pytest.mark.parametrize("family", TABLES)
def test_every_member_of_a_table_can_be_named_by_its_module_too(family: str) -> None:
    for kind in table(family).values():
        assert find(family, f"{kind.__module__}:{kind.__name__}") is kind


def test_a_module_beside_the_configuration_needs_no_word_and_no_path(folder: Path) -> None:
    before = list(sys.path)
    config = load(written(folder, "mine:Rule"))
    assert type(build(config).aggregator).__name__ == "Rule"
    assert build(load(written(folder, "boxed.inner:Deep"))).aggregator.breakdown(5) == 2
    assert sys.path == before


def test_sys_path_is_as_it_was_when_a_module_fails(folder: Path) -> None:
    (folder / "loud.py").write_text("import sys\nsys.path.append('kept')\nraise KeyError('x')")
    before = list(sys.path)
    assert "KeyError: 'x' (loud.py, line 3)" in refusal(written(folder, "loud:X"))
    assert sys.path == [*before, "kept"]
    sys.path.remove("kept")


def test_a_text_without_a_folder_imports_nothing_of_it(folder: Path) -> None:
    text = written(folder, "mine:Rule").read_text()
    with pytest.raises(ConfigError, match="no module of saddleproof"):
        parse(text)
    assert "mine" not in sys.modules


def test_a_module_that_is_not_allowed_is_not_run(folder: Path, monkeypatch) -> None:
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    (folder / "loud.py").write_text("raise SystemExit('it was run')")
    said = refusal(written(elsewhere, "loud:X"))
    assert "give --allow-import loud" in said
    assert "SystemExit: it was run (loud.py, line 1)" in refusal(elsewhere / "c.toml", "loud")


def test_an_allowed_package_stands_for_its_modules_and_for_no_other(folder, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(folder))
    (folder / "elsewhere").mkdir()
    path = written(folder / "elsewhere", "boxed.inner:Deep")
    assert build(load(path, ["boxed"])).aggregator.breakdown(5) == 2
    assert build(load(path, ["boxed.inner"])).aggregator.breakdown(5) == 2
    assert "give --allow-import boxed.inner" in refusal(path, "box", "boxed.inn", "boxed.inner.x")


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a..b", ".a", "a.", "a/b", "-a", "1a"])
def test_an_allowed_import_is_the_name_of_a_module(name: str) -> None:
    with pytest.raises(OptionError, match="such as package"):
        Imports((name,))


def test_what_a_module_only_imports_is_not_its_own(folder: Path) -> None:
    assert "subprocess is no module of saddleproof" in refusal(written(folder, "mine:Popen"))


def test_a_name_of_pythons_in_the_folder_is_not_taken_for_pythons(folder: Path) -> None:
    (folder / "json.py").write_text("raise SystemExit('the wrong one')")
    assert "another module of that name is loaded or installed" in refusal(
        written(folder, "json:JSONDecoder")
    )


@pytest.mark.parametrize(
    ("family", "name", "said"),
    [
        ("aggregator", "mine:NoRule", "is no aggregator: the class lacks estimate, estimates"),
        ("aggregator", "mine:rule", "is a function of nothing; the aggregator needs to be a class"),
        ("optimizer", "mine:Rule", "is no optimizer: the class lacks ask, tell"),
        ("problem", "mine:Rule", "is no problem: the class lacks gradients"),
        ("attack", "mine:plan", "to be a class with __call__, or a function of view"),
        ("attack", "mine:NoRule", "is no attack: the class lacks __call__"),
        ("schedule", "mine:lie", "is a function of view; .* or a function of d and inexactness"),
        ("schedule", "mine:NoRule", "is no schedule: the class lacks __call__"),
        ("aggregator", "mine:helper_of_mine", "has no class or function of that name"),
        ("aggregator", "mine:Ruel", "did you mean Rule"),
    ],
)
def test_a_class_of_ones_own_must_have_what_the_family_asks(
    folder: Path, family: str, name: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        find(family, name, Imports((), folder))


def test_a_function_of_a_view_is_an_attack_and_one_of_d_and_inexactness_a_schedule(folder) -> None:
    config = load(written(folder, "median", attack="mine:lie"))
    assert build(config).fleet.attack is sys.modules["mine"].lie
    assert find("schedule", "mine:plan", Imports((), folder)) is sys.modules["mine"].plan
    assert config.main.outsiders == ("mine",)


def test_what_allow_import_names_must_be_a_member_all_the_same() -> None:
    with pytest.raises(ConfigError, match=r"is no problem: the class lacks gradients"):
        find("problem", "subprocess:Popen", Imports(("subprocess",)))
    with pytest.raises(ConfigError, match="no class or function of that name"):
        find("attack", "os:system", Imports(("os", "posix")))


@pytest.mark.parametrize("command", ["run", "compare", "redteam", "serve", "worker"])
def test_every_command_that_reads_a_configuration_allows_imports(command: str) -> None:
    options = {name for one in main.commands[command].params for name in one.opts}
    assert "--allow-import" in options


def test_a_run_and_a_comparison_with_a_class_of_the_folder_need_no_python_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(folder, "mine:Rule", optimizer="gradient_descent")
    path.write_text(path.read_text().replace("b = 1", "b = 1, max_rounds = 2, certify = false"))
    monkeypatch.chdir(folder.parent)
    for command in (["run"], ["compare", "--seeds", "1", "--jobs", "2"]):
        out = ["--out", str(folder / "out")]
        result = CliRunner().invoke(main, [*command, str(path), *out])
        assert result.exit_code == 0, result.output


def test_importing_saddleproof_modules_by_name_gives_the_library_itself() -> None:
    home = importlib.import_module("saddleproof.aggregators.mean")
    assert find("aggregator", "saddleproof.aggregators.mean:Mean") is home.Mean is sp.Mean
