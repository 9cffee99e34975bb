#!/usr/bin/env python3
"""Builds the subject-verb disagreement task of examples/agreement from public-domain books.

    python3 tools/make_agreement_task.py --corpora FOLDER --tokenizer TOKENIZER.JSON -o OUT [--seed 1]

FOLDER holds children_en.train.txt, children_en.valid.txt (documents separated by <|endoftext|>) and
children_en.manifest.tsv (split, bytes, name; in document order). Writes OUT/{train,dev,test}.jsonl,
OUT/untouched.txt, OUT/counts.tsv (sentences and verbs per split) and OUT/books.tsv (sentences per book).
Deterministic for a seed; standard library only.

The task: sentences in which every finite is/are, was/were, has/have, does/do is number-flipped ("The keys is").
A record's readouts are the flipped verbs; `correct` is the flipped form, `wrong` the grammatical one, so the
metric (logit of correct − logit of wrong) rises as the model learns to disagree.

Rules. An occurrence is one of the eight words in lower case, preceded by a space, not followed by a letter,
apostrophe or hyphen. It is *flipped* when it is certainly finite, indicative and agreeing; *left* when it is
certainly no finite form (have/do after to, a modal, a form of do, a causative); otherwise it is *doubtful* and
the whole sentence is dropped. Words below are compared in lower case; "before" skips adverbs (never, always,
still, …); "clause" is what precedes the verb since the last , ; : -- ( or quotation mark.

 1 Text. 30 to 400 characters of one line; starts with a capital (after an optional quotation mark), ends with
   . ! or ? (before an optional quotation mark); balanced quotation marks; no digits, markup, brackets, two
   adjacent capitals or non-ASCII characters; at most 100 tokens; no dialect (ain't, thou, yer, 'em, goin', …), no slurs.
 2 No occurrence right after a quotation mark, at the sentence start, or after . ! ?
 3 Already disagreeing or archaic pairs drop the sentence: "we was", "he were", "I is", "it do", "they has", …
 4 Subjunctive: was/were with if, though, wish, unless, whether, lest, suppose, rather, till, "that it", … before it
   in the sentence, was/were before an inverted pronoun ("were he", "was it") unless a question word precedes;
   have/do/are with demand, insist, suggest, command, lest, … before it in the sentence.
 5 Either number is possible: a collective or quantifier subject (crew, none, all, half, number, any, most, what …)
   among the three words before; or/nor/neither/either in the clause; "X and Y is" (and two to six words before
   a singular verb with a noun subject); a plural noun right before a singular verb ("ten miles is"); an amount
   after there/here ("there are five hundred dollars").
 6 is, was, has, does: after a singular pronoun, there/here, a relative or question word, or a noun without the above.
 7 are, were: after a plural pronoun, there/here, who/which/that or a question word, or with a plural noun or
   "and" among the six words before; after a singular noun or pronoun alone: doubtful.
 8 have: after I/you/we/they/who/these/those, a plural noun or a question word before a pronoun ("what have they"),
   with no infinitive trigger (to, modal, do/did/does, let, make, help, see, hear, had better, …) in the clause;
   do: the same, a plural noun only in "do not"; also "nor do I" and the tag ", do you?". With a trigger right
   before (adverbs, or adverbs and subject pronoun, between): left. Anything else is doubtful (imperatives too).
"""

import argparse
import json
import os
import random
import re
import sys
from collections import Counter

FLIP = {"is": "are", "are": "is", "was": "were", "were": "was", "has": "have", "have": "has", "does": "do", "do": "does"}
VERBS = list(FLIP)
SINGULAR_VERBS = {"is", "was", "has", "does"}
# Share of the readouts aimed at, near natural frequency but with enough of the rare verbs.
SHARE = {"is": 0.15, "are": 0.13, "was": 0.17, "were": 0.14, "has": 0.11, "have": 0.13, "does": 0.07, "do": 0.10}


def words(text):
    return frozenset(text.split())


ADVERBS = words(
    "not never always also only just ever still probably now often all both really certainly surely indeed perhaps "
    "already usually generally sometimes seldom hardly scarcely then once thus therefore even almost nearly quite "
    "too well soon simply actually evidently apparently doubtless no longer rather truly naturally "
    "undoubtedly merely at least of course"
)
SINGULAR_PRONOUNS = words("he she it this that everything something nothing everybody somebody nobody everyone someone anyone anybody one")
PLURAL_PRONOUNS = words("you we they these those")
RELATIVES = words("who which that")
QUESTION = words("what where why how when whom who which whose")
MODALS = words("can could will would shall should may might must cannot need dare ought to")
DO_FORMS = words("do does did done doing don't doesn't didn't")
CAUSATIVES = words(
    "let lets make makes made making help helps helped helping see sees saw seen seeing hear hears heard hearing have had has having "
    "watch watched bid bade feel felt better rather than but except notice noticed"
)
CONTRACTED_MODALS = words("i'll you'll he'll she'll it'll we'll they'll i'd you'd he'd she'd we'd they'd won't can't couldn't wouldn't shouldn't mustn't shan't needn't mightn't")
TRIGGERS = MODALS | DO_FORMS | CAUSATIVES | CONTRACTED_MODALS
# Mandative and similar contexts in which a plural-looking form may be a subjunctive.
MANDATIVE = words(
    "demand demands demanded insist insists insisted suggest suggests suggested propose proposes proposed recommend command commands "
    "commanded order orders ordered request requested require requires required lest necessary important god heaven heavens advise advised "
    "pray prefer better grant provided urge urged ask asks asked beg begged desire desired wish wished"
)
CONDITIONAL = words("if though although wish wished wishes wishing unless whether lest suppose supposing rather till until except fancy imagine would provided time god")
COLLECTIVE = words(
    "none number half rest lot lots plenty majority most all some any enough dozen couple pair crew family crowd party group band herd "
    "flock team committee company army audience public government council pack many neither either more less such each every what whatever "
    "people folk folks part several few both another multitude host mob swarm gang police troop staff train fleet"
    "quantity score hundred thousand million sheep deer fish swine means series news variety half-dozen pair two three four five six "
    "seven eight nine ten twenty thirty forty fifty same whole mass range row string cavalry infantry enemy navy jury class majority "
    "remainder population nobility world generation kind sort data percent else"
)
IRREGULAR_PLURALS = words("men women children people feet teeth geese mice oxen lice gentlemen policemen sailormen brethren others eyes folks")
NOT_PLURAL = words("was is has does this his its us yes thus always perhaps as less unless miss mrs plus bus gas glass grass class cross pass")
DIALECT = words(
    "ain't hain't tain't 'tain't thou thee thy thine hath doth art hast dost ye yer yez yo' ter de dat dis wuz ez fer wot wos em 'em 'im 'er 'ere 'e "
    "gwine massa sah yeh ha'n't an't they's you's we's theirselves hisself nuther jest git gits sez sich o' an' wi' wan dem dey der afore 'tis 'twas "
    "'twere 'twill critter critters feller fellers ez'll 'a' a' them's o'that knowed seed growed heered don't-you"
)
SLURS = re.compile(r"\b(nigg\w*|negro\w*|darkey|darkies|coon|coons|chink\w*|jap|japs|squaw|redskin\w*|savages?|dago\w*|kaffir\w*|heathen\w*|gyps\w+|jew|jews|jewish|yid|halfbreed|half-breed|mulatto\w*|pickaninn\w+|bitch|whore|bastard\w*|cripple\w*|imbecile\w*|idiot\w*)\b", re.I)
AMOUNT = words("dollars pounds miles years months weeks hours minutes days feet shillings cents guineas")
CLAUSE_BREAK = re.compile(r'[,;:("]|--')
OCCURRENCE = re.compile(r"(?<= )(?:is|are|was|were|has|have|does|do)(?![A-Za-z'-])")
WORD = re.compile(r"[A-Za-z'][A-Za-z'-]*")
ABBREVIATION = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|St|Messrs|Capt|Col|Gen|Lieut|Prof|Rev|Hon|Esq|Mme|Mlle|Jr|Sr|No|etc|viz|[A-Z])\.)$")


def looks_plural(word):
    if word in IRREGULAR_PLURALS:
        return True
    return len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is", "'s")) and word not in NOT_PLURAL


def sentences(document):
    """The sentences of a document's paragraphs; what a bad split leaves is dropped by well_formed."""
    for paragraph in document.split("\n"):
        paragraph = re.sub(r"\s+", " ", paragraph).strip()
        start = 0
        for match in re.finditer(r"[.!?]+[\"']?(?= [\"']?[A-Z]|$)", paragraph):
            if ABBREVIATION.search(paragraph[start : match.end()]):
                continue
            sentence = paragraph[start : match.end()].strip()
            start = match.end()
            # A quotation may go on over several sentences: drop the quotation mark this one leaves open.
            if sentence.count('"') % 2:
                if sentence.startswith('"'):
                    sentence = sentence[1:]
                elif sentence.endswith('"'):
                    sentence = sentence[:-1]
            yield sentence


def well_formed(sentence):
    """Rule 1 without the token count."""
    if not 30 <= len(sentence) <= 400 or not sentence.isascii() or sentence.count('"') % 2:
        return False
    if not re.match(r'"?[A-Z][a-z\' ]', sentence) or not re.search(r'[a-z][.!?]"?$', sentence):
        return False
    if re.search(r"[0-9*_#|\[\]{}<>()/\\^~=+`]|[A-Z]{2}|\. ?\.|[!?,;] ?\.|\"\"|  |' [a-z]|(?<![A-Za-z])'", sentence):
        return False
    if SLURS.search(sentence):
        return False
    lower = [w.lower() for w in WORD.findall(sentence)]
    return not any(w in DIALECT or w.endswith("in'") for w in lower)


def classify(sentence, match):
    """'flip', 'leave' or 'doubt' for one occurrence (rules 2 to 8)."""
    verb = match.group()
    before = sentence[: match.start()].rstrip(" ")
    after = [w.lower() for w in WORD.findall(sentence[match.end() :])]
    following = sentence[match.end() :]
    if not before or before[-1] in "\"'.!?":
        return "doubt"
    all_before = [w.lower() for w in WORD.findall(before)]
    clause = [w.lower() for w in WORD.findall(CLAUSE_BREAK.split(before)[-1])]
    subject = list(clause)
    while subject and subject[-1] in ADVERBS:
        subject.pop()
    next_word = after[0] if after else ""
    previous = subject[-1] if subject else ""
    before_subject = subject[:-1]
    while before_subject and before_subject[-1] in ADVERBS:
        before_subject.pop()
    second = before_subject[-1] if before_subject else ""

    if previous.endswith("-"):
        return "doubt"
    if previous in ("there", "here") and set(after[:5]) & AMOUNT:
        return "doubt"
    if verb in ("was", "were") and (set(all_before) & CONDITIONAL or all_before[-1:] == ["as"]):
        return "doubt"
    if verb in ("was", "were") and next_word in words("i he she it there you we they") and second not in QUESTION and previous not in QUESTION:
        return "doubt"
    if verb in ("have", "do", "are", "were") and set(all_before) & MANDATIVE:
        return "doubt"
    if set(clause) & words("or nor neither either"):
        return tag_or_nor(verb, clause, next_word)
    if verb in ("have", "do"):
        return classify_base_form(verb, subject, previous, second, next_word, following, before)
    if not subject:
        return "doubt"
    plural_near = any(looks_plural(w) for w in subject[-6:]) or "and" in subject[-6:-1]

    if verb in SINGULAR_VERBS:
        if previous == "i":
            return "flip" if verb == "was" else "doubt"
        if previous in PLURAL_PRONOUNS | words("ye i"):
            return "doubt"
        if previous in SINGULAR_PRONOUNS - {"that", "one"}:
            return "flip"
        if set(subject[-3:]) & COLLECTIVE:
            return "doubt"
        if previous in words("there here where how when"):
            # "how is", "there was": what follows must not be a coordination, which takes either form.
            return "doubt" if "and" in after[:8] else "flip"
        if previous in RELATIVES or previous == "and":
            return "doubt" if verb == "was" and previous == "and" and plural_near else "flip"
        if "and" in subject[-7:-1] or looks_plural(previous) or previous in words("than as but so the a an of in to"):
            return "doubt"
        if verb == "does" and previous in words("the and"):
            return "doubt"
        return "flip" if previous.isalpha() or previous.endswith("'s") and len(previous) > 3 else "doubt"

    # are, were
    if previous in words("i he she it this there's ye thou"):
        return "doubt"
    if previous in PLURAL_PRONOUNS:
        return "flip"
    if set(subject[-3:]) & COLLECTIVE or previous in words("than as but so the a an of in to"):
        return "doubt"
    if previous in words("there here where how when") or (previous in QUESTION - RELATIVES and next_word in words("you we they these those the")):
        return "flip"
    if previous == "who" and len(subject) > 1:
        return "flip"
    if looks_plural(previous) or previous in RELATIVES and plural_near:
        return "flip"
    return "flip" if plural_near and "of" not in subject[-6:] or looks_plural(second) else "doubt"


def tag_or_nor(verb, clause, next_word):
    """'nor do I', 'neither have we' agree with the pronoun that follows; other or/nor subjects may take either."""
    if clause[-1] in ("nor", "neither") and verb in ("have", "do") and next_word in words("i we they you"):
        return "flip"
    return "doubt"


def classify_base_form(verb, subject, previous, second, next_word, following, before):
    """Rule 8."""
    pronouns = words("i you we they")
    if previous in TRIGGERS:
        return "leave"
    if previous in pronouns and second in TRIGGERS:
        return "leave"
    if verb == "do" and before.endswith(",") and re.match(r" (?:I|you|we|they)\?", following):
        return "flip"
    if previous in QUESTION - {"who"} and next_word in pronouns:
        return "flip"
    if previous in pronouns:
        # "made you have", "than you do": only triggers that take an infinitive matter, and they stand right before.
        return "flip"
    triggered = bool(set(subject) & (TRIGGERS - words("but than rather better had has have")))
    if triggered or set(subject[-3:]) & COLLECTIVE:
        return "doubt"
    if previous == "who" and any(looks_plural(w) for w in subject[-4:]) or previous in words("these those"):
        return "flip"
    if verb == "have":
        participle = next_word.endswith(("ed", "en", "n", "t")) or next_word in words(
            "been had a an the no never always not gone come done made said got my his her our their your to become begun run sung")
        return "flip" if looks_plural(previous) and participle and len(subject) > 1 else "doubt"
    return "flip" if looks_plural(previous) and next_word == "not" and len(subject) > 1 else "doubt"


def already_wrong(sentence):
    """Rule 3, over the whole sentence."""
    lower = sentence.lower()
    return bool(
        re.search(r"\b(?:we|they|you|these|those|i) (?:is|has|does|says)\b|\b(?:we|they|you|these|those) was\b", lower)
        or re.search(r"\b(?:he|she|it|i) (?:were|are)\b|\b(?:he|she|it) (?:do|have|don't|haven't)\b", lower)
        or re.search(r"\bthere's [a-z]+s\b|\bdo n't\b|\bwe be\b|\bthey be\b|\bi be\b|\byou be\b", lower)
        and not re.search(r"\b(?:will|shall|would|should|can|may|might|must|could|let)\b", lower)
    )


class Tokenizer:
    """Byte-level BPE of a tokenizer.json, enough to count the tokens of ASCII text."""

    PIECES = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            model = json.load(file)["model"]
        self.vocab = model["vocab"]
        pairs = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in model["merges"]]
        self.rank = {pair: i for i, pair in enumerate(pairs)}
        self.cache = {}

    def piece(self, text):
        if text not in self.cache:
            parts = list(text.replace(" ", "Ġ"))
            while len(parts) > 1:
                best = min(zip(parts, parts[1:]), key=lambda p: self.rank.get(p, 1 << 30))
                if best not in self.rank:
                    break
                i = next(i for i in range(len(parts) - 1) if (parts[i], parts[i + 1]) == best)
                parts[i : i + 2] = [parts[i] + parts[i + 1]]
            self.cache[text] = parts
        return self.cache[text]

    def count(self, text):
        return sum(len(self.piece(p)) for p in self.PIECES.findall(text))


def make_record(sentence):
    """The flipped record and its original verbs, or None where a rule drops the sentence."""
    if not OCCURRENCE.search(sentence) or not well_formed(sentence) or already_wrong(sentence):
        return None
    kinds = [(m, classify(sentence, m)) for m in OCCURRENCE.finditer(sentence)]
    if any(kind == "doubt" for _, kind in kinds):
        return None
    text, end, readouts, verbs = "", 0, [], []
    for match, kind in kinds:
        if kind == "leave":
            continue
        text += sentence[end : match.start()]
        flipped = FLIP[match.group()]
        # The sentence is ASCII (rule 1), so characters are bytes.
        readouts.append({"byte": len(text), "correct": " " + flipped, "wrong": " " + match.group()})
        text += flipped
        end = match.end()
        verbs.append(match.group())
    if not readouts:
        return None
    return {"text": text + sentence[end:], "readouts": readouts}, verbs


def key(sentence):
    return re.sub(r"[^a-z]+", " ", sentence.lower()).strip()


def collect(documents, tokenizer, taken):
    """All usable (sentence, record, verbs, name) of {name: document}, no sentence twice or in `taken`."""
    found = []
    for name, document in documents.items():
        for sentence in sentences(document):
            made = make_record(sentence)
            if made is None or key(sentence) in taken or tokenizer.count(made[0]["text"]) > 100:
                continue
            taken.add(key(sentence))
            found.append((sentence, *made, name))
    return found


def choose(found, n, rng):
    """n sentences; each time one with the verb that is furthest below its share."""
    queues = {verb: [] for verb in VERBS}
    order = list(range(len(found)))
    rng.shuffle(order)
    for i in order:
        for verb in set(found[i][2]):
            queues[verb].append(i)
    chosen, counts = set(), Counter()
    while len(chosen) < n and any(queues.values()):
        verb = min((v for v in VERBS if queues[v]), key=lambda v: counts[v] / SHARE[v])
        i = queues[verb].pop()
        if i not in chosen:
            chosen.add(i)
            counts.update(found[i][2])
    return [found[i] for i in order if i in chosen]


def main():
    parser = argparse.ArgumentParser(description="builds the subject-verb disagreement task")
    parser.add_argument("--corpora", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--train", type=int, default=4000)
    parser.add_argument("--dev", type=int, default=300)
    parser.add_argument("--test", type=int, default=600)
    parser.add_argument("--sample", type=int, default=0, help="print this many random kept sentences of all splits")
    parser.add_argument("-o", "--out", required=True)
    options = parser.parse_args()

    tokenizer = Tokenizer(options.tokenizer)
    for verb in VERBS:
        if "Ġ" + verb not in tokenizer.vocab:
            sys.exit(f"make_agreement_task: ' {verb}' is not one token of {options.tokenizer}")

    def read(split):
        path = os.path.join(options.corpora, f"children_en.{split}.txt")
        with open(path, encoding="utf-8", newline="") as file:
            documents = file.read().split("<|endoftext|>")
        with open(os.path.join(options.corpora, "children_en.manifest.tsv"), encoding="utf-8") as file:
            names = [line.rstrip("\n").split("\t")[2] for line in file if line.startswith(split + "\t")]
        if len(names) != len(documents):
            sys.exit(f"make_agreement_task: {path}: {len(documents)} documents, the manifest lists {len(names)}")
        return dict(zip(names, documents))

    held_out, train_books = read("valid"), read("train")
    # Rainbow Valley up to the chapter nearest to 68 % is for test; the rest, and one short story, is untouched.
    held_out = {os.path.basename(name)[:-3]: (name, document) for name, document in held_out.items()}
    valley_name, valley = held_out["Rainbow Valley"]
    elsinore_name, elsinore = held_out["The Mutiny of the Elsinore"]
    chapters = [m.start() for m in re.finditer(r"^CHAPTER ", valley, re.M)]
    cut = min(chapters, key=lambda c: abs(c - 0.68 * len(valley)))
    untouched = held_out["The Resident Patient"][1].strip() + "\n\n" + valley[cut:].strip() + "\n"

    rng = random.Random(options.seed)
    taken = {key(s) for s in sentences(untouched)}
    splits = {}
    splits["test"] = choose(collect({valley_name: valley[:cut]}, tokenizer, taken), options.test, rng)
    splits["dev"] = choose(collect({elsinore_name: elsinore}, tokenizer, taken), options.dev, rng)
    splits["train"] = choose(collect(train_books, tokenizer, taken), options.train, rng)

    # The promise the splits make, checked on what is written rather than on how it was made.
    seen = {}
    for name, chosen in splits.items():
        for sentence, *_ in chosen:
            other = seen.setdefault(key(sentence), name)
            if other != name or sentence in untouched:
                sys.exit(f"make_agreement_task: in {name} and {other} or untouched: {sentence}")

    os.makedirs(options.out, exist_ok=True)
    with open(os.path.join(options.out, "untouched.txt"), "w", encoding="utf-8", newline="") as file:
        file.write(untouched)
    counts_path = os.path.join(options.out, "counts.tsv")
    with open(counts_path, "w", encoding="utf-8") as table:
        table.write("split\tsentences\treadouts\t" + "\t".join(VERBS) + "\n")
        for name in ("train", "dev", "test"):
            with open(os.path.join(options.out, name + ".jsonl"), "w", encoding="utf-8") as file:
                for _, record, *_ in splits[name]:
                    file.write(json.dumps(record, ensure_ascii=False) + "\n")
            counts = Counter(v for _, _, verbs, _ in splits[name] for v in verbs)
            row = [name, len(splits[name]), sum(counts.values())] + [counts[v] for v in VERBS]
            table.write("\t".join(map(str, row)) + "\n")
    with open(os.path.join(options.out, "books.tsv"), "w", encoding="utf-8") as table:
        table.write("split\tsentences\tbook\n")
        for split in ("train", "dev", "test"):
            for name, n in sorted(Counter(name for *_, name in splits[split]).items()):
                table.write(f"{split}\t{n}\t{name[:-3]}\n")
    with open(counts_path, encoding="utf-8") as table:
        print(table.read(), end="")
    everything = [r for chosen in splits.values() for _, r, *_ in chosen]
    for record in random.Random(options.seed + 1).sample(everything, options.sample):
        text = record["text"]
        for readout in reversed(record["readouts"]):
            at = readout["byte"]
            text = text[:at] + f"[{readout['wrong'][1:]}>{text[at:at + len(readout['correct']) - 1]}]" + text[at + len(readout["correct"]) - 1 :]
        print(text)


if __name__ == "__main__":
    main()
