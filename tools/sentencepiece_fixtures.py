"""Vocabularies that the package sentencepiece trains, with texts and the ids that it gives them.

    sentencepiece_fixtures.py TEXT OUT [--texts 10000] [--small]

TEXT is a file to train on. OUT becomes a folder with one folder a vocabulary (tokenizer.model, cases.jsonl, a text and its
ids a line); --small: four vocabularies of a few hundred pieces for tests/sentencepiece. Then:

    CIRCUIT_SENTENCEPIECE_CASES=OUT build/release/src/text/text_test --gtest_filter='SentencePiece*'
"""

import argparse
import json
import os
import random

import sentencepiece as spm

USER = ["<|im_start|>", "<|im_end|>", "\n\n", "  ", "ing", "日本", "aa"]
TSV = "41\t61\n42\t62\nE9\t65\nFB01\t66 69\n3000\t20\nA0\t20\n200B\t\n"  # A → a, B → b, é → e, ﬁ → fi, wide spaces → space

VOCABULARIES = {
    "bpe": dict(model_type="bpe", vocab_size=2000),
    "bpe_llama": dict(model_type="bpe", vocab_size=2000, byte_fallback=True, normalization_rule_name="identity",
                      remove_extra_whitespaces=False, allow_whitespace_only_pieces=True),
    "bpe_gemma": dict(model_type="bpe", vocab_size=2000, byte_fallback=True, normalization_rule_name="identity",
                      remove_extra_whitespaces=False, add_dummy_prefix=False, user_defined_symbols=USER),
    "bpe_user": dict(model_type="bpe", vocab_size=1500, user_defined_symbols=USER),
    "bpe_nfkc_cf": dict(model_type="bpe", vocab_size=1000, normalization_rule_name="nmt_nfkc_cf", split_digits=True),
    "bpe_identity": dict(model_type="bpe", vocab_size=800, normalization_rule_name="identity", split_by_whitespace=False),
    "unigram": dict(model_type="unigram", vocab_size=2000),
    "unigram_bytes": dict(model_type="unigram", vocab_size=2000, byte_fallback=True, normalization_rule_name="identity",
                          remove_extra_whitespaces=False),
    "unigram_user": dict(model_type="unigram", vocab_size=1500, user_defined_symbols=USER),
    "unigram_nfkc": dict(model_type="unigram", vocab_size=1000, normalization_rule_name="nfkc", add_dummy_prefix=False),
    "unigram_nmt_cf": dict(model_type="unigram", vocab_size=600, normalization_rule_name="nmt_nfkc_cf", byte_fallback=True),
    "unigram_split": dict(model_type="unigram", vocab_size=900, normalization_rule_name="identity", split_by_unicode_script=False,
                          split_by_whitespace=False, remove_extra_whitespaces=False),
}
SMALL = {
    "bpe_bytes": dict(model_type="bpe", vocab_size=420, byte_fallback=True, normalization_rule_name="identity",
                      remove_extra_whitespaces=False),
    "bpe_map": dict(model_type="bpe", vocab_size=200, user_defined_symbols=USER, tsv=True),
    "unigram_bytes": dict(model_type="unigram", vocab_size=420, byte_fallback=True, normalization_rule_name="identity",
                          remove_extra_whitespaces=False, add_dummy_prefix=False),
    "unigram_map": dict(model_type="unigram", vocab_size=200, user_defined_symbols=USER, tsv=True),
}


def random_text(rng, words):
    kind = rng.random()
    if kind < 0.3:
        text = rng.choice([" ", "  ", "\n"]).join(rng.choice(words) for _ in range(rng.randrange(0, 12)))
    elif kind < 0.6:
        text = "".join(rng.choice(words + USER + [" ", "   ", "\t", "\u3000", "\u00a0", "\u200b", "\u2581", "e\u0301", "ﬁ", "½", "①", "ＡＢ", "가", "가"])
                       for _ in range(rng.randrange(1, 12)))
    else:
        spans = [(32, 127), (0, 32), (0xA0, 0x250), (0x300, 0x600), (0x2000, 0x2070), (0x3000, 0x3100), (0xAC00, 0xD7A4), (0xF900, 0xFFFE),
                 (0x1F300, 0x1F700), (1, 0xD800), (0x10000, 0x110000)]
        text = "".join(chr(rng.randrange(*rng.choice(spans))) for _ in range(rng.randrange(1, 24)))
    text = text.replace("\0", "")
    return rng.choice(["", "", " ", "  "]) + text + rng.choice(["", "", " ", "\n"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text")
    parser.add_argument("out")
    parser.add_argument("--texts", type=int, default=10000)
    parser.add_argument("--small", action="store_true")
    args = parser.parse_args()
    with open(args.text, encoding="utf-8") as file:
        words = sorted(set(file.read().split()))
    for name, options in (SMALL if args.small else VOCABULARIES).items():
        folder = os.path.join(args.out, name)
        os.makedirs(folder, exist_ok=True)
        options = dict(options)
        if options.pop("tsv", False):
            with open(os.path.join(folder, "map.tsv"), "w", encoding="utf-8") as file:
                file.write(TSV)
            options["normalization_rule_tsv"] = file.name
        spm.SentencePieceTrainer.train(input=args.text, model_prefix=os.path.join(folder, "tokenizer"), num_threads=1,
                                       hard_vocab_limit=False, minloglevel=2, **options)
        os.remove(os.path.join(folder, "tokenizer.vocab"))
        if os.path.exists(os.path.join(folder, "map.tsv")):
            os.remove(os.path.join(folder, "map.tsv"))
        processor = spm.SentencePieceProcessor(model_file=os.path.join(folder, "tokenizer.model"))
        rng = random.Random(name)
        with open(os.path.join(folder, "cases.jsonl"), "w", encoding="utf-8") as file:
            for _ in range(args.texts):
                text = random_text(rng, words)
                # Text that spells a control or unknown piece is no business of the model: here it is the piece.
                if any(piece in text for piece in ("<s>", "</s>", "<unk>")):
                    continue
                ids = processor.encode(text)
                file.write(json.dumps({"text": text, "ids": ids, "decoded": processor.decode(ids)}, ensure_ascii=False) + "\n")
        print(name, processor.vocab_size())


if __name__ == "__main__":
    main()
