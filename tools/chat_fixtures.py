"""Random conversations through chat templates, as transformers renders them: what src/text/jinja is held against.

    chat_fixtures.py TEMPLATES OUT.jsonl [--conversations 200] [--seed 0] [--only NAME,NAME]

TEMPLATES is a folder of *.jinja files; OUT.jsonl is to stand in it. TRL's wheel has a hundred (pip download trl --no-deps). A line has the template's `file`, the `variables` it
is given and the text `expected`, null where transformers refuses. Then:

    CIRCUIT_JINJA_CASES=OUT.jsonl build/release/src/text/text_test --gtest_filter='JinjaCases.*'

    chat_fixtures.py --expressions OUT.jsonl

writes lines with a `template` each, and the `variables` of all before them: expressions and statements of Jinja one by
one (jinja_cases.py).
Needs transformers and jinja2.
"""

import argparse
import datetime
import json
import os
import random

import transformers.utils.chat_template_utils as chat_template_utils

NOW = 1768478400  # src/text/jinja/testing.h

WORDS = """the a keys to cabinet are is here Hello world what 2+2 = 4 naïve Ünïcode 日本語 привет 🙂👍🏽 e\u0301 \u00a0 \u2028 \u3000
<|im_end|> <|im_start|> <|eot_id|> [INST] [/INST] <s> </s> <end_of_turn> <think> </think> {{ {% %} }} {# #} \\n ' " & < > \t
<|start_header_id|> <|end|> <|return|> <|user|> <tool_call> </tool_call> <<SYS>> <</SYS>> --- ``` `code` 1,000 3.14 -1 null""".split(" ")
WORDS = [w for line in WORDS for w in line.split("\n")] + ["\n", "\n\n", "\t", "  "]

TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "Weather \u2014 of a \"city\"", "parameters": {
        "type": "object", "properties": {"city": {"type": "string", "description": "where"},
                                         "days": {"type": "integer", "enum": [1, 2, 3]}}, "required": ["city"]}}},
    {"type": "function", "function": {"name": "add", "description": "Adds <numbers>", "parameters": {
        "type": "object", "properties": {"a": {"type": "number"}, "b": {"type": ["number", "null"], "default": 0.5}},
        "required": ["a", "b"]}, "return": {"type": "number"}}},
]


def text(rng):
    kind = rng.random()
    if kind < 0.06:
        return ""
    if kind < 0.1:
        return rng.choice(["\n", " ", "\u3000", "\x1c", "\t \n"])
    words = [rng.choice(WORDS) if rng.random() < 0.9 else chr(rng.choice([rng.randrange(32, 0xD800), rng.randrange(0xE000, 0x20000)]))
             for _ in range(rng.randrange(1, 12))]
    body = rng.choice([" ", "", " "]).join(words)
    return rng.choice(["", "", " ", "\n", "  \n"]) + body + rng.choice(["", "", " ", "\n", "\n\n "])


def answer(rng):
    body = text(rng)
    if rng.random() < 0.15:
        body = "<think>\n" + text(rng) + "\n</think>\n\n" + body
    return body


def conversation(rng, with_tools):
    messages = []
    if rng.random() < 0.5:
        messages.append({"role": "system", "content": text(rng)})
    for _ in range(rng.randrange(1, 5)):
        messages.append({"role": "user", "content": text(rng)})
        if with_tools and rng.random() < 0.4:
            call = {"type": "function", "function": {"name": "add", "arguments": {"a": rng.choice([1, 2.5, -3]), "b": text(rng)}}}
            if rng.random() < 0.5:
                call["id"] = "abcdefghi"
            messages.append({"role": "assistant", "content": rng.choice(["", text(rng)]), "tool_calls": [call]})
            messages.append({"role": "tool", "name": "add", "content": text(rng), "tool_call_id": "abcdefghi"})
        messages.append({"role": "assistant", "content": answer(rng)})
    if rng.random() < 0.6:
        messages.pop()
    if rng.random() < 0.05:
        rng.shuffle(messages)
    return messages


def variables(rng, source):
    with_tools = "tool" in source and rng.random() < 0.25
    given = {"messages": conversation(rng, with_tools), "tools": TOOLS[: rng.randrange(1, 3)] if with_tools else None,
             "documents": None, "add_generation_prompt": rng.random() < 0.5,
             "bos_token": rng.choice(["<s>", "<|begin_of_text|>"]), "eos_token": "</s>", "pad_token": "<pad>",
             "unk_token": "<unk>"}
    if "enable_thinking" in source and rng.random() < 0.5:
        given["enable_thinking"] = rng.random() < 0.5
    return given


def render(source, given):
    """The text; None where Jinja or the template refuses."""
    try:
        return chat_template_utils._compile_jinja_template(source).render(**given)
    except Exception:  # whatever it is, apply_chat_template raises it too
        return None


def fix_the_clock():
    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromtimestamp(NOW, tz)

    chat_template_utils.datetime = Clock


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("templates", help="a folder; with --expressions the file to write")
    parser.add_argument("out", nargs="?")
    parser.add_argument("--conversations", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="names of templates, without .jinja")
    parser.add_argument("--expressions", action="store_true")
    args = parser.parse_args()
    fix_the_clock()
    lines = []
    out = args.templates if args.expressions else args.out
    if out is None:
        parser.error("OUT.jsonl is missing")
    if args.expressions:
        import jinja_cases

        lines.append({"variables": jinja_cases.VARIABLES})
        for source in jinja_cases.templates():
            lines.append({"template": source, "expected": render(source, jinja_cases.VARIABLES)})
    else:
        names = sorted(n for n in os.listdir(args.templates) if n.endswith(".jinja"))
        if args.only:
            names = [n + ".jinja" for n in args.only.split(",")]
        for name in names:
            with open(os.path.join(args.templates, name), encoding="utf-8", newline="") as file:
                source = file.read()
            rng = random.Random(f"{args.seed}/{name}")
            for _ in range(args.conversations):
                given = variables(rng, source)
                lines.append({"file": name, "variables": given, "expected": render(source, given)})
    with open(out, "w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    refused = sum(line.get("expected", "") is None for line in lines)
    print(f"{len(lines)} lines, {refused} refused")


if __name__ == "__main__":
    main()
