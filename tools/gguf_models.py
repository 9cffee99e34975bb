#!/usr/bin/env python3
"""The tiny models of tests/families as GGUF files, written with the Python package gguf as llama.cpp's converter does.

gguf_models.py FAMILIES OUT   OUT/model-NAME.gguf of FAMILIES/NAME for llama, llama-3 (its divisors in a tensor), qwen2
                              and qwen3: F32, but for one matrix in F16 and one in BF16 of qwen3

Needs gguf, numpy, safetensors, torch (for BF16). The rotary pairing is llama.cpp's convert_hf_to_gguf.py,
LlamaModel.permute; the divisors are its generate_extra_tensors, at the published models' four numbers.
"""
import json
import math
import os
import sys

import gguf
import numpy as np
import torch
from safetensors.torch import load_file

LAYER = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
         "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
         "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate",
         "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
WHOLE = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
         "lm_head.weight": "output.weight"}


def name_of(name):
    if name in WHOLE:
        return WHOLE[name]
    _, _, layer, rest = name.split(".", 3)
    part, kind = rest.rsplit(".", 1)
    return f"blk.{layer}.{LAYER[part]}.{kind}"


def permute(weights, heads):
    return weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:]).swapaxes(1, 2) \
        .reshape(weights.shape)


def divisors(theta, dim, factor=8.0, low=1.0, high=4.0, old=8192):
    found = []
    for i in range(0, dim, 2):
        wavelength = 2 * math.pi * theta ** (i / dim)
        if wavelength < old / high:
            found.append(1.0)
        elif wavelength > old / low:
            found.append(factor)
        else:
            smooth = (old / wavelength - low) / (high - low)
            found.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(found, dtype=np.float32)


def main():
    families, out = sys.argv[1], sys.argv[2]
    for name in ("llama", "llama-3", "qwen2", "qwen3"):
        config = json.load(open(os.path.join(families, name, "config.json")))
        architecture = config["model_type"]
        head_dim = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
        writer = gguf.GGUFWriter(os.path.join(out, f"model-{name}.gguf"), architecture)
        writer.add_block_count(config["num_hidden_layers"])
        writer.add_context_length(config["max_position_embeddings"])
        writer.add_embedding_length(config["hidden_size"])
        writer.add_feed_forward_length(config["intermediate_size"])
        writer.add_head_count(config["num_attention_heads"])
        writer.add_head_count_kv(config["num_key_value_heads"])
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
        writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
        if architecture == "llama":
            writer.add_rope_dimension_count(head_dim)
        else:
            writer.add_key_length(head_dim)
            writer.add_value_length(head_dim)
        for key, tensor in load_file(os.path.join(families, name, "model.safetensors")).items():
            to = name_of(key)
            if name == "qwen3" and key.endswith("layers.0.mlp.up_proj.weight"):
                writer.add_tensor(to, tensor.half().numpy())
                continue
            if name == "qwen3" and key.endswith("layers.1.mlp.up_proj.weight"):
                writer.add_tensor(to, tensor.bfloat16().view(torch.uint8).numpy(),
                                  raw_dtype=gguf.GGMLQuantizationType.BF16)
                continue
            value = tensor.numpy()
            if architecture == "llama" and ".q_proj." in key:
                value = permute(value, config["num_attention_heads"])
            if architecture == "llama" and ".k_proj." in key:
                value = permute(value, config["num_key_value_heads"])
            writer.add_tensor(to, np.ascontiguousarray(value))
        if name == "llama-3":
            writer.add_tensor("rope_freqs.weight", divisors(config["rope_parameters"]["rope_theta"], head_dim))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


main()
