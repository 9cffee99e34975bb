#!/usr/bin/env python3
"""Compares `circuit tokenize` with Hugging Face's tokenizers on random texts.

    python3 tools/compare_tokenizers.py TOKENIZER.JSON … [--circuit build/release/circuit] [--texts 300] [--rounds 20]

Each file is tried as it is and, in --rounds variants of it, with random added tokens (every flag; white space, words
and letters of one normal form among them) and a random normaliser. Ids with and without special tokens must be equal;
every assigned code point is tried beside a single_word token. Prints the first differences and exits with 1 where there are
any. Needs `pip install tokenizers`; without it the comparison is skipped, and says so.
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    parser.add_argument("--circuit", default="build/release/circuit")
    parser.add_argument("--texts", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    o = parser.parse_args()
    try:
        import tokenizers
    except ImportError:
        print("SKIPPED: the Python package tokenizers is missing, nothing was compared.")
        return 0
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
