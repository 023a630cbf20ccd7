"""Makes a corpus to evaluate poolers on: the docstrings of three Python libraries, whose summary lines are the queries
and whose descriptions are the documents, in the three files of BEIR.

    python tests/bench/make_corpus.py target/corpora/docstrings

Needs pip and nothing else. The wheels are fetched from PyPI by hash, and what is made of them is checked by hash too, so
that two people who have a corpus have the same. The text belongs to the authors of the libraries (BSD-3-Clause).
"""

import argparse
import ast
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

WHEELS = [
    ("networkx==3.6.1", "d47fbf302e7d9cbbb9e2555a0d267983d2aa476bac30e90dfbe5669bd57f3762"),
    ("scikit-learn==1.9.1", "e5d7b18a5b9dca241a74695f3275fa4c895a9dadc72b3d8df5fa9d1083c9b83e"),
    ("scipy==1.17.1", "02ae3b274fde71c5e92ac4d54bc06c42d80e399fec704383dcd99b301df37458"),
]
# One platform's wheel, whatever this machine is: only its text is read.
PLATFORM = ["--python-version", "3.12", "--platform", "manylinux_2_28_x86_64", "--platform", "any"]
MADE = {
    "corpus.jsonl": "2aca80da106afa3f7989c2dac19b78be254b36aad72e6a122c348f4983041472",
    "queries.jsonl": "aadb5ad186198f8e1739a5380df27d9ce1c585bd4a3ad33a47ba8e46c071d917",
    "qrels.tsv": "c5c6393002590e9b26b1b238fc843e9a290e460548808fee48e2e8f973efcf17",
}
QUERY_WORDS = range(3, 21)
LEAST_WORDS = 20
# Less than this share of letters and spaces is a formula or a table.
LEAST_LETTERS = 0.85
SECTION = re.compile(r"^(\w[\w ]*)\n[-=~]{3,}$", re.MULTILINE)


def fetch(folder):
    """The wheels, in the order of their names."""
    requirements = folder / "requirements.txt"
    requirements.write_text("".join(f"{name} --hash=sha256:{digest}\n" for name, digest in WHEELS))
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run(
        [*pip, "--only-binary", ":all:", *PLATFORM, "--require-hashes", "-r", requirements, "--dest", folder], check=True
    )
    return sorted(folder.glob("*.whl"))


def docstrings(wheel):
    """(dotted name, docstring) of every public class, function and method outside tests."""
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            path = PurePosixPath(name)
            if path.suffix != ".py" or any(part in ("tests", "testing", "_lib", "externals") for part in path.parts):
                continue
            tree = ast.parse(archive.read(name))
            for node, owner in nodes(tree, ".".join(path.with_suffix("").parts)):
                text = ast.get_docstring(node)
                if text:
                    yield owner, text


def nodes(tree, owner):
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            name = f"{owner}.{node.name}"
            yield node, name
            if isinstance(node, ast.ClassDef):
                yield from nodes(node, name)


def plain(text):
    """Without reStructuredText's marks, on one line."""
    # A role or link `text <target>` says its text; any other its whole content.
    text = re.sub(r"(?::ref:)?`([^`<]+?)\s*<[^`]*>`_*", r"\1", text)
    text = re.sub(r":\w+:`~?([^`]*)`", r"\1", text)
    text = re.sub(r"\s*\[[\w, ]+\]_", "", text)
    return " ".join(text.replace("`", "").replace("**", "").split())


def pair(text):
    """The summary and the prose of a docstring; None where it has no two such parts that do for this."""
    summary, _, rest = text.partition("\n\n")
    before, *sections = SECTION.split("\n" + rest)
    prose = [before] + [body for name, body in zip(sections[::2], sections[1::2]) if name.strip() == "Notes"]
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", "\n\n".join(prose)):
        paragraph = paragraph.strip("\n")
        # Code, directives, and what is set off by indentation.
        if not re.search(r"^(\s|>>>|\.\.|\|)", paragraph):
            paragraphs.append(plain(paragraph))
    summary, description = plain(summary), " ".join(filter(None, paragraphs))
    description = re.sub(r"(See|Read) more in the User Guide\. ?", "", description).strip()
    letters = sum(c.isalpha() or c == " " for c in description)
    if (
        len(summary.split()) not in QUERY_WORDS
        or len(description.split()) < LEAST_WORDS
        or letters < LEAST_LETTERS * len(description)
        # The answer must not be there word by word.
        or summary.rstrip(".").lower() in description.lower()
    ):
        return None
    return summary, description


def pairs(wheels):
    """(dotted name, summary, description), no summary and no description twice."""
    seen = set()
    for wheel in wheels:
        for name, text in docstrings(wheel):
            found = pair(text)
            if found and seen.isdisjoint(found):
                seen.update(found)
                yield name, *found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        found = list(pairs(fetch(Path(folder))))
    line = lambda **fields: json.dumps(fields, ensure_ascii=False) + "\n"
    files = {
        "corpus.jsonl": "".join(line(_id=name, title="", text=text) for name, _, text in found),
        "queries.jsonl": "".join(line(_id=f"q:{name}", text=text) for name, text, _ in found),
        "qrels.tsv": "query-id\tcorpus-id\tscore\n" + "".join(f"q:{name}\t{name}\t1\n" for name, *_ in found),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        digest = hashlib.sha256(text.encode()).hexdigest()
        if digest != MADE[name]:
            sys.exit(f"{name} has the SHA-256 {digest}, expected {MADE[name]}: docstrings were read otherwise than before")
        (out / name).write_text(text, encoding="utf-8", newline="\n")
    print(f"{len(found)} queries and documents in {out}")


if __name__ == "__main__":
    main()
