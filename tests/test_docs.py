"""The manual does not lie: its code runs, and it names everything that is public."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

import saddleproof as sp
from saddleproof.aggregators.table import ALL_AGGREGATORS
from saddleproof.attacks.table import ATTACKS
from saddleproof.cli import main
from saddleproof.config import parse as config
from saddleproof.optimizers.certified import NEXT
from saddleproof.optimizers.table import OPTIMIZERS
from saddleproof.words import Ending, Level

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: Pages whose code needs what an extra installs.
NEEDS = {"README.md": "torch", "benchmark.md": "torch", "grpc.md": "grpc", "pytorch.md": "torch"}


def blocks(page: Path, language: str = "python") -> list[str]:
    """The blocks of a page in one language, each with its own line numbers."""
    text = page.read_text()
    fenced = re.compile(rf"^```{language}\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    return ["\n" * text.count("\n", 0, m.start(1)) + m[1] for m in fenced.finditer(text)]


RUN = [
    pytest.param(page, marks=pytest.mark.slow) if page.name == "pytorch.md" else page
    for page in PAGES
    if blocks(page)
]


@pytest.mark.parametrize("page", RUN, ids=lambda p: p.name if isinstance(p, Path) else "")
def test_the_code_of_a_page_runs_from_top_to_bottom(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if page.name in NEEDS:
        pytest.importorskip(NEEDS[page.name])
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {"__name__": "page"}
    for block in blocks(page):
        if ">>>" not in block:
            exec(compile(block, str(page), "exec"), scope)
            continue
        example = doctest.DocTestParser().get_doctest(block, scope, page.name, str(page), 0)
        assert doctest.DocTestRunner().run(example, clear_globs=False).failed == 0
        scope = example.globs


@pytest.mark.parametrize(
    "text", [block for page in PAGES for block in blocks(page, "toml")], ids=lambda _: "toml"
)
def test_a_configuration_in_the_manual_is_one_that_runs(text: str) -> None:
    if "[benchmark]" in text:
        pytest.importorskip("torch")
        from saddleproof.benchmark.parse import parse

        assert parse(text).cells
        return
    assert config.parse(text).run.b == 6


def test_the_manual_shows_commands_that_exist() -> None:
    typed = "\n".join(block for page in PAGES for block in blocks(page, "sh"))
    assert set(re.findall(r"^saddleproof (\w+)", typed, re.MULTILINE)) == set(main.commands)


FAMILIES = ("aggregators", "attacks", "optimizers", "problems", "fleets", "schedule", "codes")
TABLES = {"aggregators": ALL_AGGREGATORS, "attacks": ATTACKS, "optimizers": OPTIMIZERS}
PUBLIC = [
    *(f"saddleproof.{name}" for name in sp.__all__ if not name.startswith("_")),
    *(
        f"saddleproof.{family}.{name}"
        for family in FAMILIES
        for name in getattr(getattr(sp, family), "__all__", ())
        if name not in sp.__all__
    ),
]


@pytest.mark.parametrize("name", PUBLIC)
def test_the_reference_describes_every_public_name(name: str) -> None:
    reference = "\n".join(page.read_text() for page in (ROOT / "docs" / "api").glob("*.md"))
    described = re.findall(r"^\.\. auto\w+:: ([\w.]+)$", reference, re.MULTILINE)
    module = name.rpartition(".")[0]
    whole = re.search(rf"^\.\. automodule:: {module}\n   :members:$", reference, re.MULTILINE)
    found = name in described or whole or any(entry.startswith(f"{name}.") for entry in described)
    assert found, f"add `.. autoclass:: {name}` to the page of its family in docs/api"


@pytest.mark.parametrize("family", TABLES)
def test_every_member_of_a_family_has_a_public_name(family: str) -> None:
    missing = {made.__name__ for made in TABLES[family].values()} - set(getattr(sp, family).__all__)
    assert not missing, f"add {sorted(missing)} to src/saddleproof/{family}/__init__.pyi"


def test_the_drawing_of_the_default_is_its_table() -> None:
    page = (ROOT / "docs" / "default.md").read_text()
    drawn = re.findall(r"^(\w+) +-> (\w+) ", page, re.MULTILINE)
    table = [(phase.__name__, then.__name__) for phase in NEXT for then in NEXT[phase]]
    assert sorted(drawn) == sorted(table)


def test_the_manual_explains_every_level_by_its_own_sentence() -> None:
    page = (ROOT / "docs" / "choosing.md").read_text()
    assert "\n".join(f"| `{level}` | {level.sentence} |" for level in Level) in page


@pytest.mark.parametrize("words", [Ending, Level])
def test_every_word_has_its_sentence(words: type[Ending | Level]) -> None:
    sentences = [word.sentence for word in words]
    assert all(sentences)
    assert len(set(sentences)) == len(sentences)
