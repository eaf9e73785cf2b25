"""How a company's name is brought to forms that can be compared: Latin words, Chinese characters, pinyin."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from rapidfuzz.distance import Levenshtein

from tokenworks.deferred import Deferred

_OPENCC, _PYPINYIN = Deferred("opencc"), Deferred("pypinyin")  # their dictionaries take a third of a second to load

_LEGAL = re.compile(
    r"\b(co|ltd|limited|corp|corporation|company|inc|incorporated|llc|llp|plc|gmbh|sa|bv|nv|ag|sdn|bhd|pte|pty|the|"
    r"group|jsc|ooo|pjsc|oao|zao|fze|fzco|kk)\b"
)
_LEGAL_CHINESE = re.compile(r"(股份有限公司|有限责任公司|有限公司|集团|公司|股份)")
# Words that many companies share: they say little about which company it is.
GENERIC = frozenset(
    ["and", "beijing", "center", "centre", "chengdu", "china", "chongqing", "circuit", "closed", "communication",
     "communications", "de", "development", "digital", "dubai", "electronic", "electronics", "engineering",
     "equipment", "export", "for", "general", "global", "guangzhou", "hangzhou", "hefei", "hk", "hong", "import",
     "industrial", "industries", "industry", "information", "institute", "integrated", "intelligent",
     "international", "iran", "joint", "kong", "nanjing", "national", "network", "networks", "of", "open",
     "research", "russia", "science", "sciences", "semiconductor", "service", "services", "shanghai", "shenzhen",
     "singapore", "software", "state", "stock", "suzhou", "system", "systems", "taiwan", "tech", "technologies",
     "technology", "tianjin", "trade", "trading", "university", "wuhan", "xiamen"]
)  # fmt: skip
LONG_LEGAL = ("company", "corporation", "group", "incorporated", "limited")
SLIPS_FROM = 4  # letters; a shorter word one slip away is another word
_NOT_WORDS = re.compile(r"[^\w]+")


@dataclass(frozen=True, slots=True)
class Forms:
    """A name in the forms that are compared; "" where it has none.

    words: Latin words, sorted; core: those that are not generic; joined: letters without spaces, for names and
    pinyin that are run together; characters: Chinese, simplified, without legal form.
    """

    words: str
    core: str
    joined: str
    characters: str


def plain(name: str) -> str:
    """A name without accents, case, punctuation and legal form; other scripts are kept.

    >>> plain("Inspur Group Co., Ltd."), plain("浪潮集團")
    ('inspur', '浪潮集團')
    """
    folded = unicodedata.normalize("NFKD", name).casefold()
    words = _NOT_WORDS.sub(" ", "".join(c for c in folded if not unicodedata.combining(c)))
    return " ".join(_LEGAL.sub(" ", words).split())


def forms(name: str) -> Forms:
    """The forms of a name.

    >>> forms("浪潮集團").joined, forms("Lang Chao Co., Ltd.").joined, forms("浪潮集团有限公司").characters
    ('langchao', 'langchao', '浪潮')
    """
    bare = plain(name)
    if any("\u4e00" <= c <= "\u9fff" for c in bare):
        characters = _LEGAL_CHINESE.sub("", _simplified(bare)).replace(" ", "")
        return Forms("", "", "".join(_PYPINYIN.lazy_pinyin(characters)).casefold(), characters)
    words = [w for w in (_spelt(word) for word in bare.split()) if w]
    core = sorted(w for w in words if w not in GENERIC)
    return Forms(" ".join(sorted(words)), " ".join(core), "".join(words), "")


@lru_cache(maxsize=65_536)
def _spelt(word: str) -> str:
    """A word as it is, unless it is one slip of the pen from a generic word (then that) or a legal form (then "").

    >>> _spelt("technologis"), _spelt("grup"), _spelt("inspur")
    ('technologies', '', 'inspur')
    """
    if len(word) < SLIPS_FROM or word in GENERIC:
        return word
    for known in sorted((*LONG_LEGAL, *GENERIC)):
        if len(known) > SLIPS_FROM and Levenshtein.distance(word, known, score_cutoff=1) == 1:
            return "" if known in LONG_LEGAL else known
    return word


@lru_cache(maxsize=1)
def _converter() -> Any:
    return _OPENCC.OpenCC("t2s")


def _simplified(characters: str) -> str:
    found: str = _converter().convert(characters)
    return found
