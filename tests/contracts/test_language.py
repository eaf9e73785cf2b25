"""Everything a person reads exists in 繁體中文."""

from __future__ import annotations

import importlib.util
import re
import string
from pathlib import Path

import pytest

from tokenworks.app.cli import run
from tokenworks.language import Translator, text
from tokenworks.records import Quote
from tokenworks.search import shared

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("messages", ROOT / "scripts" / "messages.py")
assert SPEC is not None
assert SPEC.loader is not None
messages = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(messages)

NAMES = re.compile(r"[\W\d_]*|(ECCN|id|goodput_per_s)")


def holes(template: str) -> set[str]:
    return {f for _, f, _, _ in string.Formatter().parse(template) if f is not None}


def test_every_sentence_is_translated() -> None:
    known = {m.id: m.string for m in messages.catalogue() if m.id}
    missing = [m for m in messages.messages() if not known.get(m) and not NAMES.fullmatch(m)]
    assert not missing, "run `make messages` and translate the new ones in the .po"


def test_translations_have_the_same_holes() -> None:
    for message in messages.catalogue():
        if message.id and message.string:
            assert holes(message.string) == holes(message.id), message.id


def test_the_compiled_catalogue_is_of_this_source() -> None:
    shipped = (messages.FOLDER / "tokenworks.mo").read_bytes()
    assert shipped == messages.compiled(), "run `make messages`"


def test_values_are_translated_too() -> None:
    say = Translator("zh-Hant")
    sentence = "the {kind} '{value}' is not in the catalog; 'tokenworks catalog list {list}' names all"
    said = say.say(text(sentence, kind=text("chip"), value="x", list="chips"))
    assert said.startswith("目錄中沒有晶片「x」")


@pytest.mark.parametrize("command", [["law", "check", "--chip", "h20", "--to", "CN", "--on", "2025-04-20"], ["fabric"]])
def test_the_command_line_speaks_chinese(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--topology", "fat-tree", "--chips", "64"] if command == ["fabric"] else []
    assert run([*command, *more, "--lang", "zh-Hant"]) == 0
    assert re.search("[一-鿿]{2}", capsys.readouterr().out)


def test_errors_speak_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["law", "check", "--chip", "h2000", "--to", "CN", "--on", "2025-04-20", "--lang", "zh-Hant"]) == 4
    assert "目錄中沒有" in capsys.readouterr().err


def test_every_reason_why_a_design_goes_is_said_in_chinese(examples: dict[str, Quote]) -> None:
    say = Translator("zh-Hant")
    gone = {
        reason for quote in examples.values() for kind in ("cut", "bounded") for reason in quote.content["search"][kind]
    }
    assert len(gone) > 10
    assert [reason for reason in sorted(gone | shared.LIMITS) if say(reason) == reason] == []
