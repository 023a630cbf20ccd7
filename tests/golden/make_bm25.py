"""Makes bm25.json: sentences of many scripts and their words by regex and unicodedata, texts made of them, and what bm25s
says of queries.

    python tests/golden/make_bm25.py --out tests/golden
"""

import argparse
import json
import random
import sys
import unicodedata
from pathlib import Path

import bm25s
import regex

SEED, TEXTS = 20261126, 48

SENTENCES = [
    "Bees dance to tell other bees where flowers are; a bee that has danced flies out again.",
    "The bees' dance was first decoded by Karl von Frisch in 1927, who won the 1973 Nobel Prize.",
    "It can't be seen in the dark, but it can’t be missed by touch: 13.5 waggles per second.",
    "See https://example.com/bees?id=42 or e-mail bee_keeper@example.com (U.S.A.), ﬁrst edition.",
    "Database queries: a data\u00adbase stores rows, and a query reads rows of the database.",
    "Die Straße zum Bienenhaus ist gesperrt, DIE STRASSE ZUM MARKT auch; schon schön spät.",
    "La crème brûlée du café de l'été était délicieuse, et l’abeille aussi l'a goûtée.",
    "La creme brulee sans accents se trouve au cafe\u0301 de la gare.",
    "El niño y la niña comieron piña en el jardín; ¿dónde está la abeja?",
    "Işık ve ısı: İstanbul'da arılar IŞIK görür, ılık sabah ışığı gibi.",
    "Con ong bay đến bông hoa; tiếng Việt có nhiều dấu: ă â đ ê ô ơ ư.",
    "Łódź leży w Polsce, a pszczoły żyją w ulu; ŻÓŁTA gęś, en rød bi på Malta: Ħal Għaxaq.",
    "Пчёлы танцуют, чтобы показать другим пчелам путь к цветам; ЙОД и йога.",
    "Οι μέλισσες χορεύουν. Ο ΣΊΣΥΦΟΣ και ο σίσυφος, ᾳ και ᾼ, ΑΙ.",
    "هذا نص عن النحل والزهور: مُحَمَّد يحب العسل، محمد يحب النحل.",
    "הדבורים רוקדות: שָׁלוֹם לכל הפרחים, שלום גם לדבש.",
    "मधुमक्खियाँ नाचती हैं और फूलों का रास्ता बताती हैं; हिन्दी में क़लम।",
    "蜜蜂跳舞，告诉其他蜜蜂花在哪里。北京和东京都有蜜蜂。",
    "東京都の蜂は花の場所を踊りで伝える。東京タワーへ行くと、ﾃﾞｰﾀﾍﾞｰｽがある。",
    "データベースサーバーに人々の名前を入れる。かき と がき は違う。",
    "꿀벌은 춤을 추어 꽃의 위치를 알린다. 꿀벌이 API를 쓰지는 않는다.",
    "ผึ้งเต้นรำเพื่อบอกทางไปยังดอกไม้ ผึ้งกินน้ำหวาน",
    "ເຜິ້ງເຕັ້ນ ແລະ ບິນໄປຫາດອກໄມ້",
    "ឃ្មុំរាំដើម្បីប្រាប់ផ្លូវទៅផ្កា",
    "ပျားများသည် ပန်းများဆီသို့ ကသည်",
    "iPhone手機和Android手機：2026年5月3日，價格１２３元🐝。",
    "𝔅ees in 𝕞ath letters, ＦＵＬＬＷＩＤＴＨ bees, Ⅳ and ½ of x² — and 𠮷野家 of plane 2.",
    "…—!?🐝🌼",
]

QUERIES = [
    "bees", "Dancing bees", "bees bees dance", "the", "who decoded the dance of the bees?", "can't", "database rows",
    "STRASSE", "schon", "creme brulee", "café", "crème d'été", "IŞIK", "ışık", "niña piña", "tiếng Việt", "Łódź lodz", "rod ha",
    "пчелы", "ёлка пчёлы", "σίσυφοσ", "ΑΙ", "محمد", "שלום", "हिन्दी", "蜜蜂", "東京", "東京タワー", "京", "データベース",
    "がき", "꿀벌", "춤", "API", "ผึ้ง", "ເຜິ້ງ", "ផ្កា", "ပန်း", "手機", "123 bees", "first", "𠮷野家", "nothing at all",
    "zzz", "", "🐝",
]

STATES = [
    {"k1": 1.2, "b": 0.75, "fold_accents": False, "removed": []},
    {"k1": 1.2, "b": 0.75, "fold_accents": True, "removed": [0, 17, 18, 40]},
    {"k1": 0.9, "b": 0.4, "fold_accents": False, "removed": list(range(1, TEXTS, 3))},
]

# By script, where the library goes by blocks; the prolonged sound mark is of two scripts.
UNSPACED = (
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tai_Le}"
    r"\p{New_Tai_Lue}\p{Tai_Tham}\p{Tai_Viet}\u30fc]"
)
PIECES = regex.compile(rf"(?P<unspaced>{UNSPACED})\p{{M}}*|(?:(?!{UNSPACED}).)(?:(?!{UNSPACED}).|\p{{M}})*")
IGNORABLE = regex.compile(r"\p{Default_Ignorable_Code_Point}")

STROKES = str.maketrans("đħłøŧı", "dhloti")


def is_accent(c):
    place = unicodedata.combining(c)
    return place == 1 or 10 <= place <= 36 or place >= 200


def fold(word, fold_accents):
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", word).casefold()).replace("’", "'")
    folded = IGNORABLE.sub("", folded)
    if fold_accents:
        folded = "".join(c for c in folded if not is_accent(c)).translate(STROKES)
    return unicodedata.normalize("NFC", folded)


def words(text, fold_accents):
    found, touching = [], None
    boundaries = [at.start() for at in regex.finditer(r"\b", text, regex.V1 | regex.WORD)]
    for start, end in zip(boundaries, boundaries[1:]):
        word = text[start:end]
        if not any(c.isalnum() for c in word):
            touching = None
            continue
        for piece in PIECES.finditer(fold(word, fold_accents)):
            found.append(piece[0])
            if piece["unspaced"] and touching:
                found.append(touching + piece[0])
            touching = piece[0] if piece["unspaced"] else None
    return found


def scores(state, texts):
    kept = [at for at in range(len(texts)) if at not in state["removed"]]
    index = bm25s.BM25(method="lucene", k1=state["k1"], b=state["b"], dtype="float64")
    index.index([words(texts[at], state["fold_accents"]) for at in kept], show_progress=False)
    for query in QUERIES:
        asked = [word for word in words(query, state["fold_accents"]) if word in index.vocab_dict]
        found = index.get_scores(asked) if asked else []
        yield {str(at): float(f"{score:.9g}") for at, score in zip(kept, found) if score > 0}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    chance = random.Random(SEED)
    # Each sentence alone first, so that none is left out.
    texts = [[at] for at in range(len(SENTENCES))]
    while len(texts) < TEXTS:
        texts.append(chance.choices(range(len(SENTENCES)), k=chance.randint(2, 6)))
    joined = [" ".join(SENTENCES[at] for at in text) for text in texts]
    versions = {"python": sys.version.split()[0], "unicodedata": unicodedata.unidata_version,
                "regex": regex.__version__, "bm25s": bm25s.__version__}
    lines = [f'"versions": {json.dumps(versions)}', f'"texts": {json.dumps(texts)}', f'"queries": {json.dumps(QUERIES)}']
    sentences = [{"text": text, "words": words(text, False), "folded": words(text, True)} for text in SENTENCES]
    states = [{**state, "scores": list(scores(state, joined))} for state in STATES]
    for name, rows in [("sentences", sentences), ("states", states)]:
        lines.append(f'"{name}": [\n' + ",\n".join(json.dumps(row) for row in rows) + "\n]")
    (out / "bm25.json").write_text("{" + ",\n".join(lines) + "}\n")


if __name__ == "__main__":
    main()
