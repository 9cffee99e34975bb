#!/usr/bin/env python3
"""to_directory.py MODEL.gguf FOLDER: SmolLM2's GGUF as a Hugging Face directory, by the packages gguf, numpy and
safetensors alone. circuit reads the GGUF itself and makes the same of it (scripts/smollm2.sh compares them): this is
the way that owes nothing to circuit.
"""
import json
import os
import sys

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize
from safetensors.numpy import save_file

LAYER = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
         "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
         "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
WHOLE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
CONTROL = 3  # of tokenizer.ggml.token_type


def hugging_face_name(name):
    stem, kind = name.rsplit(".", 1)
    if stem in WHOLE:
        return f"{WHOLE[stem]}.{kind}"
    _, layer, part = stem.split(".")
    return f"model.layers.{layer}.{LAYER[part]}.{kind}"


def in_halves(weights, heads):
    """llama.cpp pairs the rows of q and k for its rotary positions; Hugging Face has the halves apart."""
    rows, columns = weights.shape
    return weights.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def shortest(value):
    """The decimal number that was rounded to float32."""
    return float(str(np.float32(value)))


def main():
    source, folder = sys.argv[1:]
    reader = GGUFReader(source)
    get = lambda key: reader.get_field(key).contents()
    assert get("general.architecture") == "llama" and get("tokenizer.ggml.pre") == "smollm"
    heads = {"attn_q": get("llama.attention.head_count"), "attn_k": get("llama.attention.head_count_kv")}

    tensors = {}
    for tensor in reader.tensors:
        value = dequantize(tensor.data, tensor.tensor_type)
        part = tensor.name.split(".")[-2]
        if part in heads:
            value = in_halves(value, heads[part])
        tensors[hugging_face_name(tensor.name)] = np.ascontiguousarray(value, dtype=np.float32)
    save_file(tensors, os.path.join(folder, "model.safetensors"), {"format": "pt"})

    tokens, types = get("tokenizer.ggml.tokens"), get("tokenizer.ggml.token_type")
    token = lambda role: tokens[get(f"tokenizer.ggml.{role}_token_id")]
    ids = {f"{to}_token_id": get(f"tokenizer.ggml.{role}_token_id")
           for to, role in (("bos", "bos"), ("eos", "eos"), ("pad", "padding"))}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    write = {
        "config.json": {
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "torch_dtype": "float32",
            "num_hidden_layers": get("llama.block_count"), "hidden_size": get("llama.embedding_length"),
            "intermediate_size": get("llama.feed_forward_length"), "num_attention_heads": heads["attn_q"],
            "num_key_value_heads": heads["attn_k"], "head_dim": get("llama.rope.dimension_count"),
            "max_position_embeddings": get("llama.context_length"), "vocab_size": len(tokens),
            "rms_norm_eps": shortest(get("llama.attention.layer_norm_rms_epsilon")),
            "rope_theta": shortest(get("llama.rope.freq_base")), "attention_bias": False, "mlp_bias": False,
            "tie_word_embeddings": "lm_head.weight" not in tensors, **ids},
        "generation_config.json": ids,
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False,
            "bos_token": token("bos"), "eos_token": token("eos"), "unk_token": token("unknown"),
            "pad_token": token("padding"), "model_max_length": get("llama.context_length"),
            "chat_template": get("tokenizer.chat_template")},
        "tokenizer.json": {
            "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "post_processor": None,
            "added_tokens": [{"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
                              "normalized": False, "special": True}
                             for i, content in enumerate(tokens) if types[i] == CONTROL],
            "pre_tokenizer": {"type": "Sequence",
                              "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level]},
            "decoder": byte_level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      "vocab": {content: i for i, content in enumerate(tokens)},
                      "merges": get("tokenizer.ggml.merges")}},
    }
    for name, content in write.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False, indent=1)
            file.write("\n")


main()
