"""Message catalogue: collects every sentence that the program says and keeps its translations.

    python scripts/messages.py extract    update the .po with what the sources say now
    python scripts/messages.py compile    compile the .po into the .mo that is shipped

A sentence is the literal first argument of one of CALLS (or of the keyword it stands under), a cut reason of
the search, a meaning or formula of quote/figures.py, a `text` of the law's data, or a row of its coverage.
"""

from __future__ import annotations

import ast
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "tokenworks"
FOLDER = SOURCE / "locale" / "zh_Hant" / "LC_MESSAGES"
CALLS = {"Text", "text", "say", "BadRequest", "UnknownFact", "Defect", "kind"}  # kind: errors.not_allowed
SECOND = {"Refusal", "keep"}  # the sentence is the second or third argument
WHOLE = {"Figure"}  # meaning and formula are arguments three and four
DEGREES = {"tp", "pp", "vpp", "cp", "ep", "dp"}  # names, the same in every language
TUPLES = {"simple"}  # title and heads are literals inside the call


def messages() -> dict[str, str]:
    """Every message with the file that says it, in a stable order."""
    found: dict[str, str] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        where = path.relative_to(ROOT).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for message in _in_tree(tree, where):
            found.setdefault(message, where)
    for path in sorted((SOURCE / "law" / "data").glob("*.yaml")):
        if path.stem == "parties":
            continue
        for message in _in_data(yaml.safe_load(path.read_text(encoding="utf-8"))):
            found.setdefault(message, path.relative_to(ROOT).as_posix())
    return found


def _in_tree(tree: ast.AST, where: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _in_call(node)
            if "/search/" in where and getattr(node.func, "attr", "") in ("within", "count", "bound"):
                yield from (a.value for a in node.args if isinstance(a, ast.Constant) and " " in str(a.value))
        if where.endswith("search/space.py") and isinstance(node, ast.Dict):
            yield from (k.value for k in node.keys if isinstance(k, ast.Constant) and " " in str(k.value))
        if "/search/" in where and isinstance(node, ast.Assign | ast.Tuple):
            yield from _reasons(node)
        if "deliver/" in where and "launch" not in where and isinstance(node, ast.comprehension | ast.Assign):
            yield from _heads(node)
        if "deliver/" in where and isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DISCLAIMER":
            yield str(ast.literal_eval(node.value))


def _reasons(node: ast.Assign | ast.Tuple) -> Iterator[str]:
    """Why the search cuts: named constants of a sentence, one or several at once, and the sentence in a pair (rows,
    sentence)."""
    if isinstance(node, ast.Assign):
        several = isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple)
        names, values = (node.targets[0].elts, node.value.elts) if several else ([node.targets[0]], [node.value])
        for name, value in zip(names, values, strict=True):
            if isinstance(value, ast.Constant) and " " in str(value.value) and getattr(name, "id", "").isupper():
                yield str(value.value)
    elif len(node.elts) == 2 and isinstance(node.elts[1], ast.Constant) and " " in str(node.elts[1].value):
        yield str(node.elts[1].value)


def _heads(node: ast.AST) -> Iterator[str]:
    """Tuples of words that are said one by one: `for h in ("chip", ...)`, HEAD, TIERS."""
    value = node.iter if isinstance(node, ast.comprehension) else node.value
    named = isinstance(node, ast.comprehension) or getattr(node.targets[0], "id", "") in ("HEAD", "TIERS")
    if named and isinstance(value, ast.Tuple) and all(isinstance(e, ast.Constant) for e in value.elts):
        yield from (e.value for e in value.elts if isinstance(e.value, str) and e.value not in DEGREES)


def _in_call(node: ast.Call) -> Iterator[str]:
    plain = isinstance(node.func, ast.Name)
    name = node.func.id if plain else getattr(node.func, "attr", "")
    if not plain and name in ("text", "Text"):  # a method that reads a field, not a sentence
        return
    literals = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if name in CALLS and node.args:
        yield from _literal(node.args[0])
    elif name in SECOND and literals:
        yield literals[-1]
    elif name in WHOLE and len(node.args) >= 4:
        yield from _literal(node.args[2])
        yield from _literal(node.args[3])
    elif name in TUPLES and node.args:
        yield from _literal(node.args[0])
        if isinstance(node.args[1], ast.Tuple):
            yield from (e.value for e in node.args[1].elts if isinstance(e, ast.Constant))


def _literal(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _literal(node.body)
        yield from _literal(node.orelse)


def _in_data(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("text"), str):
            yield node["text"]
        if isinstance(node.get("modelled"), str):  # a row of the coverage table
            yield from (node[key] for key in ("rule", "modelled", "not_modelled") if node.get(key))
        for value in node.values():
            yield from _in_data(value)
    elif isinstance(node, list):
        for value in node:
            yield from _in_data(value)


def catalogue() -> Catalog:
    """The .po as it is, or an empty one."""
    path = FOLDER / "tokenworks.po"
    if not path.exists():
        return Catalog(locale="zh_Hant_TW", project="tokenworks")
    with path.open("rb") as file:
        return read_po(file, locale="zh_Hant_TW")


def extract() -> None:
    """Write the .po anew: messages of today, translations kept where they still apply."""
    old = catalogue()
    fresh = Catalog(locale="zh_Hant_TW", project="tokenworks", version="0.1.0", copyright_holder="Tokenworks")
    fresh.creation_date = fresh.revision_date = old.creation_date
    for message, where in messages().items():
        known = old.get(message)
        fresh.add(message, known.string if known else "", locations=[(where, None)])
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "tokenworks.po").open("wb") as file:
        write_po(file, fresh, width=0, omit_header=False)


def compiled() -> bytes:
    """The bytes of the .mo that the .po compiles to."""
    out = io.BytesIO()
    write_mo(out, catalogue())
    return out.getvalue()


def main(arguments: list[str]) -> int:
    """Run one of the two verbs."""
    if arguments == ["extract"]:
        extract()
    elif arguments == ["compile"]:
        (FOLDER / "tokenworks.mo").write_bytes(compiled())
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
