#!/usr/bin/env python3
"""Small tokenizers as GGUF files, with the ids that the libraries they come from give texts.

gguf_tokenizers.py OUT   for each NAME of gpt-2, smollm, llama-bpe, qwen2, llama: OUT/NAME.gguf, metadata alone, and
                         OUT/NAME.json: {"texts": […], "ids": [[…], …]}

The byte-level ones are trained and run by `tokenizers`, cut as the tokenizer.json of GPT-2, SmolLM2, Llama 3 and
Qwen2 cut text; "llama" is trained by sentencepiece and run by `tokenizers`, as Llama 2's tokenizer.json has it, which
must agree with sentencepiece on every text without added tokens: those it puts no space behind. Needs gguf,
tokenizers, sentencepiece, transformers.
"""
import io
import json
import os
import sys

import gguf
import sentencepiece
from transformers.tokenization_utils_base import generate_merges
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

CORPUS = ["The keys to the cabinet are on the table, and the cabinet's doors weren't locked in 1984 or 2024.",
          "It's 12345 o'clock; they'LL come at 7:30 pm!!  Two spaces, a tab\tand\n\nempty lines.\r\n",
          "Über naïve Café-Gäste: 北京 東京 😀 été Ångström", "def f(x):\n    return x ** 2  # code\n",
          "The children were singing while their mother was reading the other letters."] * 3
TEXTS = CORPUS[:5] + ["", " ", "   leading", "trailing   ", "\n", "a\n\n\nb", "x1y22z333 4444", "I'M we'Ve don't",
                      "<|end|>", "hello<|end|>world <|end|> again", "<think> so </think>", "A\u030angstr\u00f6m \u212b",
                      "mixed 😀text\u00a0here\u3000too", "snake_case == 'quoted' -- dash…", "٣٤٥ ½ Ⅷ", "\u2581low line",
                      "the  other\t\tthe", "ß\u0308x"]
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
SPECIAL, PLAIN = "<|end|>", ["<think>", "</think>"]


def split(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def byte_level(name):
    cut = {"gpt-2": lambda: pre_tokenizers.ByteLevel(add_prefix_space=False),
           "smollm": lambda: pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                                      pre_tokenizers.ByteLevel(add_prefix_space=False)]),
           "llama-bpe": lambda: split(LLAMA3), "qwen2": lambda: split(QWEN2)}[name]()
    tokenizer = Tokenizer(models.BPE(ignore_merges=name == "llama-bpe"))
    tokenizer.pre_tokenizer = cut
    if name == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=360, special_tokens=[], show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens([AddedToken(SPECIAL, normalized=False)])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in PLAIN])
    saved = json.loads(tokenizer.to_str())
    added = {token["content"]: token["id"] for token in saved["added_tokens"]}
    tokens = sorted({**saved["model"]["vocab"], **added}.items(), key=lambda item: item[1])
    types = [3 if token == SPECIAL else 4 if token in PLAIN else 1 for token, _ in tokens]
    return [token for token, _ in tokens], types, saved["model"]["merges"], lambda t: tokenizer.encode(t).ids


def write(out, name, model, tokens, types, merges=None, scores=None, bos=None, encode=None):
    writer = gguf.GGUFWriter(os.path.join(out, name + ".gguf"), "llama")
    writer.add_tokenizer_model(model)
    if merges is not None:
        writer.add_tokenizer_pre(name)
        writer.add_token_merges([" ".join(merge) for merge in merges])
    writer.add_token_list(tokens)
    if scores is not None:
        writer.add_token_scores(scores)
    writer.add_token_types(types)
    if bos is not None:
        writer.add_bos_token_id(bos)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with open(os.path.join(out, name + ".json"), "w", encoding="utf-8") as file:
        json.dump({"texts": TEXTS, "ids": [encode(text) for text in TEXTS]}, file, ensure_ascii=False)
        file.write("\n")


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    for name in ("gpt-2", "smollm", "llama-bpe", "qwen2"):
        tokens, types, merges, encode = byte_level(name)
        write(out, name, "gpt2", tokens, types, merges=merges, encode=encode)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_writer=model, vocab_size=370, model_type="bpe", byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, character_coverage=0.98,
        user_defined_symbols=[SPECIAL] + PLAIN, minloglevel=2)
    sp = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    count = sp.get_piece_size()
    tokens, scores = [sp.id_to_piece(i) for i in range(count)], [sp.get_score(i) for i in range(count)]
    vocab = {token: i for i, token in enumerate(tokens)}
    fast = Tokenizer(models.BPE(vocab, generate_merges(vocab, dict(zip(tokens, scores))), unk_token="<unk>",
                                fuse_unk=True, byte_fallback=True))
    fast.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    fast.add_special_tokens([AddedToken(token, normalized=False) for token in ("<s>", "</s>", SPECIAL)])
    fast.add_tokens([AddedToken(token, normalized=False) for token in PLAIN])
    for text in TEXTS:
        if "<" not in text:
            assert sp.encode(text) == fast.encode(text).ids, text
    types = [2 if sp.is_unknown(i) else 3 if sp.is_control(i) or sp.id_to_piece(i) == SPECIAL else
             6 if sp.is_byte(i) else 4 if sp.id_to_piece(i) in PLAIN else 1 for i in range(count)]
    write(out, "llama", "llama", tokens, types, scores=scores, bos=sp.bos_id(), encode=lambda text: fast.encode(text).ids)


main()
