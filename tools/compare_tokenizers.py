#!/usr/bin/env python3
"""Compares `circuit tokenize` with Hugging Face's tokenizers on random texts.

    python3 tools/compare_tokenizers.py TOKENIZER.JSON … [--circuit build/release/circuit] [--texts 300] [--rounds 20]

Each file is tried as it is and, in --rounds variants of it, with random added tokens (every flag; white space, words
and letters of one normal form among them) and a random normaliser. Ids with and without special tokens must be equal;
every assigned code point is tried beside a single_word token. Prints the first differences and exits with 1 where there are
any. Needs `pip install tokenizers`; without it the comparison is skipped, and says so.

    python3 tools/compare_tokenizers.py --vocabularies FOLDER [--texts 10000]

makes vocabularies of every kind (tokenizer_vocabularies.py) in FOLDER, compares ids and decoded texts of random Unicode texts
with those of the library each belongs to, and prints a table. Needs tokenizers, sentencepiece and tiktoken.
"""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import unicodedata

CONTENTS = ["\n", " ", "  ", "\n\n", "\t", "cat", "Cat", "CAT", "ca", "cat x", "é", "e\u0301", "é!", "<|end|>",
            "<|end|>\n", "<a>", "<A>", " a", "a ", "می", "xx", "xxx", "\u00a0", "ﬁ", "fi", "a\u0301", "Ⓐ", "1", "_"]
ATOMS = CONTENTS + ["\u200c", "\u200d", "ⓐ", "b", "x", " ", "\n", "\u3000", "\u0301", "خواهم", "🄰", "🙂", "ǅ", "İ", "²",
                    ".", "-", "the", " men were", "한", "\u1100\u1161", "\u0345", "\x00", "ſ", "１", "٣"]
NORMALIZERS = [None, {"type": "Lowercase"}, {"type": "NFC"}, {"type": "NFKC"}, {"type": "NFD"},
               {"type": "Replace", "pattern": {"String": "x"}, "content": "cat"},
               {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "Lowercase"}]},
               {"type": "Strip", "strip_left": True, "strip_right": False}]


def variant(model, rng):
    """`model` (a tokenizer.json) with random added tokens behind its own, and a random normaliser."""
    changed = dict(model)
    tokens = [dict(token) for token in model.get("added_tokens") or []]
    used = {token["content"] for token in tokens} | set(model["model"]["vocab"])
    next_id = max([token["id"] for token in tokens] + list(model["model"]["vocab"].values())) + 1
    for content in rng.sample(CONTENTS, rng.randint(1, 8)):
        if content in used:
            continue
        special = rng.random() < 0.3
        flags = {name: rng.random() < 0.3 for name in ("single_word", "lstrip", "rstrip")}
        tokens.append({"id": next_id, "content": content, "special": special,
                       "normalized": rng.random() < (0.1 if special else 0.7), **flags})
        next_id += 1
    changed["added_tokens"] = tokens
    changed["normalizer"] = rng.choice(NORMALIZERS + [model.get("normalizer")])
    return changed


def texts_of(count, contents, rng):
    return ["".join(rng.choice(contents) for _ in range(rng.randint(0, 12))) for _ in range(count)]


def circuit_ids(program, path, texts, special):
    lines = "\n".join(json.dumps(text) for text in texts) + "\n"
    command = [program, "tokenize", str(path)] + (["--add-special"] if special else [])
    done = subprocess.run(command, input=lines, capture_output=True, text=True)
    if done.returncode != 0:
        return done.stderr.strip()
    return [json.loads(line) for line in done.stdout.splitlines()]


def expected_ids(tokenizer, text, special):
    """Null where the reference itself panics: a token with lstrip inside white space that rstrip took."""
    try:
        return tokenizer.encode(text, add_special_tokens=special).ids
    except BaseException as error:  # not an Exception of Python's
        if "PanicException" in type(error).__name__:
            return None
        raise


def differences(program, path, texts, tokenizer, name):
    count = 0
    for special in (False, True) if name.find("single_word") < 0 else (False,):
        ours = circuit_ids(program, path, texts, special)
        if isinstance(ours, str):
            print(f"{name}: {ours}")
            return 1
        for text, ids in zip(texts, ours):
            expected = expected_ids(tokenizer, text, special)
            if expected is None or ids == expected:
                continue
            count += 1
            if count <= 5:
                added = [t for t in json.loads(pathlib.Path(path).read_text())["added_tokens"]][-8:]
                print(f"{name}: {text!r}\n  found    {ids}\n  expected {expected}\n  added {added}")
    return count


def compared(program, folder, count, report):
    """A row of the table: name, library, size, texts, differences of ids, with special tokens, of decoded texts."""
    from tokenizer_vocabularies import Reference, texts_of
    reference, texts = Reference(folder), texts_of(count, folder.name)
    ids = [reference.encode(text) for text in texts]
    pairs = [("ids", circuit_ids(program, folder, texts, False), ids, texts)]
    if reference.special is not None:
        pairs.append(("special", circuit_ids(program, folder, texts, True), [reference.special(t) for t in texts], texts))
    # What an unknown piece stands for is lost; sentencepiece writes ⁇ for it, transformers leaves it out.
    known = [i for i, line in enumerate(ids) if reference.unknown not in line]
    count, texts, ids = len(texts), [texts[i] for i in known], [ids[i] for i in known]
    lines = "\n".join(json.dumps(line) for line in ids) + "\n"
    done = subprocess.run([program, "tokenize", str(folder), "--decode"], input=lines, capture_output=True, text=True)
    # Not splitlines, which cuts at U+2028 too.
    found = [json.loads(line) for line in done.stdout.split("\n")[:-1]] if done.returncode == 0 else done.stderr.strip()
    pairs.append(("decoded", found, [reference.decode(line) for line in ids], texts))
    row = {"name": folder.name, "library": reference.by, "texts": count}
    for what, ours, theirs, of in pairs:
        if isinstance(ours, str):
            print(f"{folder.name} {what}: {ours}")
            row[what] = len(theirs)
            continue
        wrong = [i for i in range(len(theirs)) if ours[i] != theirs[i]]
        row[what] = len(wrong)
        for i in wrong[:report]:
            print(f"{folder.name} {what}: {of[i]!r}\n  found    {ours[i]!r}\n  expected {theirs[i]!r}")
    return row


def compare_vocabularies(o):
    from tokenizer_vocabularies import make_all
    rows = [compared(o.circuit, folder, o.texts, 3) for folder in make_all(o.vocabularies)]
    print(f"{'vocabulary':<24}{'library':<16}{'texts':>8}{'ids':>8}{'special':>9}{'decoded':>9}   differences")
    for row in rows:
        print(f"{row['name']:<24}{row['library']:<16}{row['texts']:>8}{row['ids']:>8}{row.get('special', '-'):>9}{row['decoded']:>9}")
    return 1 if any(row["ids"] + row.get("special", 0) + row["decoded"] for row in rows) else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    parser.add_argument("--vocabularies", type=pathlib.Path)
    parser.add_argument("--circuit", default="build/release/circuit")
    parser.add_argument("--texts", type=int)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    o = parser.parse_args()
    try:
        import tokenizers
    except ImportError:
        print("SKIPPED: the Python package tokenizers is missing, nothing was compared.")
        return 0
    o.texts = o.texts or (10_000 if o.vocabularies else 300)
    if o.vocabularies:
        return compare_vocabularies(o)
    rng = random.Random(o.seed)
    found = compared = 0
    with tempfile.TemporaryDirectory() as folder:
        for file in o.files:
            original = json.loads(file.read_text())
            plain = dict(original, added_tokens=list(original.get("added_tokens") or []))
            word = dict(plain, normalizer=None)
            free = max([t["id"] for t in word["added_tokens"]] + list(word["model"]["vocab"].values())) + 1
            word["added_tokens"] = word["added_tokens"] + [
                {"id": free, "content": "\ue000cat", "special": False, "single_word": True, "lstrip": False,
                 "rstrip": False, "normalized": True}]
            # Letters that a newer Unicode added are no letters yet in an older library.
            points = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs")]
            tries = [("as it is", plain, texts_of(o.texts, ATOMS, rng))]
            if file == o.files[0]:
                tries.append(("single_word", word, ["\ue000cat" + c for c in points]))
            tries += [(f"variant {i}", variant(original, rng), texts_of(o.texts, ATOMS, rng)) for i in range(o.rounds)]
            for name, content, texts in tries:
                path = pathlib.Path(folder) / "tokenizer.json"
                path.write_text(json.dumps(content))
                tokenizer = tokenizers.Tokenizer.from_file(str(path))
                found += differences(o.circuit, path, texts, tokenizer, f"{file} {name}")
                compared += len(texts)
    print(f"{compared} texts compared with tokenizers {tokenizers.__version__}, {found} differences.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
