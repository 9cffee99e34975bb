#!/usr/bin/env python3
"""Adapters of every kind as PEFT saves them, and the logits that PEFT itself gives with them.

adapter_fixtures.py OUT [NAME ...]   all, or those named; OUT/NAME then holds
  adapter_config.json, adapter_model.safetensors   as PEFT saves them
  reference.safetensors                            ids [sequences, tokens]; logits of the model with the adapter merged
                                                   by PEFT; unmerged, of the adapter at work beside it
  reference.json                                   the base, a folder of tests/families; versions

Needs torch, transformers, peft and safetensors. Weights are random: a fixture says whether the arithmetic is the same.
"""
import argparse
import json
import pathlib
import shutil
import sys

import peft
import torch
import transformers
from safetensors.torch import save_file

FAMILIES = pathlib.Path(__file__).resolve().parent.parent / "tests" / "families"
ATTENTION = ["q_proj", "v_proj"]

# Base, and what LoraConfig is given.
ADAPTERS = {
    "plain": ("llama", dict(target_modules=ATTENTION)),
    "rslora": ("llama", dict(target_modules="all-linear", use_rslora=True)),
    "patterns": ("llama", dict(target_modules=["q_proj", "down_proj"], rank_pattern={"q_proj": 2},
                               alpha_pattern={r"layers\.1\.mlp\.down_proj": 3})),
    "expression": ("llama", dict(target_modules=r".*layers\.[01]\.self_attn\.(q|o)_proj")),
    "layers": ("llama", dict(target_modules=ATTENTION, layers_to_transform=[1], layers_pattern="layers")),
    "excluded": ("llama", dict(target_modules=ATTENTION, exclude_modules=["model.layers.0.self_attn.v_proj"])),
    "head": ("llama", dict(target_modules=["q_proj", "lm_head"])),
    "embedding": ("llama", dict(target_modules=["q_proj", "embed_tokens"])),
    "saved-head": ("llama", dict(target_modules=ATTENTION, modules_to_save=["lm_head"])),
    "saved-embedding": ("llama", dict(target_modules=ATTENTION, modules_to_save=["embed_tokens", "norm"])),
    "lora-bias": ("seed_oss", dict(target_modules=["q_proj"], lora_bias=True)),
    "bias-lora-only": ("qwen2", dict(target_modules=ATTENTION, bias="lora_only")),
    "bias-all": ("qwen2", dict(target_modules=["q_proj"], bias="all")),
    "dora": ("llama", dict(target_modules=["q_proj", "down_proj"], use_dora=True)),
    "dora-rslora": ("llama", dict(target_modules="all-linear", use_dora=True, use_rslora=True)),
    "dora-conv1d": ("gpt2", dict(target_modules=["c_attn"], use_dora=True, fan_in_fan_out=True)),
    "dora-embedding": ("llama", dict(target_modules=["q_proj", "embed_tokens"], use_dora=True)),
    "conv1d": ("gpt2", dict(target_modules=["c_attn", "c_fc"], fan_in_fan_out=True)),
    "conv1d-bias": ("gpt2", dict(target_modules=["c_attn"], fan_in_fan_out=True, bias="lora_only")),
    "tokens": ("llama", dict(target_modules=ATTENTION, trainable_token_indices={"embed_tokens": [3, 7]})),
    "tokens-tied": ("gemma", dict(target_modules=ATTENTION, trainable_token_indices=[4, 5])),
    "gaussian": ("llama", dict(target_modules=ATTENTION, init_lora_weights="gaussian")),
    "pissa": ("llama", dict(target_modules=ATTENTION, init_lora_weights="pissa")),
    "olora": ("llama", dict(target_modules=ATTENTION, init_lora_weights="olora")),
}


def write(name, out):
    base, given = ADAPTERS[name]
    source = FAMILIES / base
    torch.manual_seed(sum(name.encode()))

    def load():
        model = transformers.AutoModelForCausalLM.from_pretrained(source, attn_implementation="eager", dtype=torch.float32)
        return model.eval()

    config = peft.LoraConfig(task_type="CAUSAL_LM", r=3, lora_alpha=5, **given)
    model = peft.get_peft_model(load(), config)
    with torch.no_grad():
        for key, p in model.named_parameters():
            if p.requires_grad:  # nothing that stands at zero or at the base's value
                p.add_(0.2 * torch.randn_like(p))
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    settings = json.loads((folder / "adapter_config.json").read_text())
    settings["base_model_name_or_path"] = base  # no path of the machine that made it
    (folder / "adapter_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    loaded = peft.PeftModel.from_pretrained(load(), folder).eval()
    ids = torch.randint(3, 60, (2, 9), generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        unmerged = loaded(ids, use_cache=False).logits
        merged = loaded.merge_and_unload()(ids, use_cache=False).logits
        plain = load()(ids, use_cache=False).logits
    save_file({"ids": ids, "logits": merged.contiguous(), "unmerged": unmerged.contiguous()},
              folder / "reference.safetensors")
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__}
    with open(folder / "reference.json", "w") as file:
        json.dump({"base": base, "versions": versions}, file)
        file.write("\n")
    print(f"{name}: moves logits by {(merged - plain).abs().max():.3g}; "
          f"merged and not differ by {(merged - unmerged).abs().max():.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    failed = []
    for name in arguments.names or ADAPTERS:
        try:
            write(name, arguments.out)
        except Exception as error:  # every other adapter is still made
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
            failed.append(name)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
