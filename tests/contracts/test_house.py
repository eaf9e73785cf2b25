"""The house's own rules: layers, sizes, no hidden state, the public list, the error tree."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tokenworks
from tokenworks import errors

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src" / "tokenworks").rglob("*.py"))
FILE_MAX, FUNCTION_MAX, ARGUMENTS_MAX = 500, 60, 8
COMMANDS = {
    "app/buildouts.py",
    "app/laws.py",
    "app/parts.py",
    "app/ports.py",
    "app/predicting.py",
    "app/quoting.py",
    "app/whatifs.py",
}  # one parameter an option
GATES = {"app/cli.py"}  # the documented gate


def name(path: Path) -> str:
    return path.relative_to(ROOT / "src" / "tokenworks").as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_sizes_and_late_imports(path: Path) -> None:
    content = path.read_text(encoding="utf-8")
    assert content.count("\n") <= FILE_MAX
    for node in ast.walk(ast.parse(content)):
        if not isinstance(node, ast.FunctionDef):
            continue
        assert (node.end_lineno or 0) - node.lineno < FUNCTION_MAX, node.name
        if name(path) not in COMMANDS:
            assert len(node.args.args) + len(node.args.kwonlyargs) <= ARGUMENTS_MAX + 1, node.name
        late = [n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]
        assert not late, node.name


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_no_module_level_state_and_no_catch_all(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Global | ast.Nonlocal)
        if isinstance(node, ast.ExceptHandler):
            caught = getattr(node.type, "id", "everything")
            assert caught not in ("everything", "Exception", "BaseException") or isinstance(
                node.type, ast.Tuple | ast.Attribute
            )


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_every_public_thing_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree) or path.name == "__init__.py"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), node.name


def test_layers() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_public_list() -> None:
    assert sorted(tokenworks.__all__) == tokenworks.__all__
    assert set(tokenworks.__all__) == {
        "BadRequest", "Defect", "Quote", "Request", "Shipment", "TokenworksError", "UnknownFact", "Verdict", "World",
        "__version__", "predict", "quote", "verdict",
    }  # fmt: skip


def test_the_error_tree() -> None:
    found = {c.__name__: c.exit_code for c in errors.TokenworksError.__subclasses__()}
    assert found == {"BadRequest": 2, "UnknownFact": 4, "Defect": 70}


def test_nothing_names_a_download_host() -> None:
    lock = (ROOT / "requirements.txt").read_text()
    assert "://" not in lock
    assert lock.count("--hash=sha256:") > 50


def test_the_changelog_knows_the_version() -> None:
    assert f"## {tokenworks.__version__}" in (ROOT / "CHANGELOG.md").read_text()
