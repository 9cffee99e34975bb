#!/usr/bin/env python3
"""A tiny model of every family, made and measured by transformers alone: what the tests hold this program against.

family_fixtures.py OUT [NAME ...]   all, or those named; OUT/NAME then holds
  config.json, model.safetensors    as transformers writes them
  reference.safetensors             ids, counterfactual [sequences, tokens]; logits [sequences, tokens, vocab] of both,
                                    and of the first in BF16 (logits_bf16);
                                    grad.TENSOR, of the mean cross-entropy of every next token, by the file's names;
                                    eap [upstream, downstream]: attribution by gradients of hooks, nothing else
  reference.json                    the greedy continuation of the first sequence, and versions

Needs torch, transformers and safetensors. Weights are random: a fixture says whether the arithmetic is the same.
"""
import argparse
import contextlib
import json
import os
import sys

import torch
import transformers
from safetensors.torch import load_file, save_file

TOKENS, SEQUENCES, CONTINUED, VOCAB = 9, 2, 8, 61
SMALL = dict(vocab_size=VOCAB, bos_token_id=None, eos_token_id=None, pad_token_id=None)
LLAMA = dict(SMALL, hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=False)

# Where a family's computation has its parts: paths of modules below a layer, and how one tensor holds q, k and v.
STANDARD = dict(model="model", embedding="embed_tokens", layers="layers", attention_norm="input_layernorm",
                q="self_attn.q_proj", k="self_attn.k_proj", v="self_attn.v_proj", o="self_attn.o_proj",
                mlp_norm="post_attention_layernorm", mlp="mlp", final_norm="norm")
GEMMA2 = dict(STANDARD, mlp_norm="pre_feedforward_layernorm", attention_post="post_attention_layernorm",
              mlp_post="post_feedforward_layernorm")
GPT2 = dict(model="transformer", embedding="wte", layers="h", attention_norm="ln_1", qkv="attn.c_attn", order="blocks",
            o="attn.c_proj", mlp_norm="ln_2", mlp="mlp", final_norm="ln_f")
NEOX = dict(model="gpt_neox", embedding="embed_in", layers="layers", attention_norm="input_layernorm",
            qkv="attention.query_key_value", order="heads", o="attention.dense", mlp_norm="post_attention_layernorm",
            mlp="mlp", final_norm="final_layer_norm")
OPT = dict(STANDARD, model="model.decoder", attention_norm="self_attn_layer_norm", o="self_attn.out_proj",
           mlp_norm="final_layer_norm", mlp="fc2", mlp_in="fc1", final_norm="final_layer_norm")


def llama_like(changes=None, where=None, **more):
    return dict(dict(LLAMA, **(changes or {})), **more), where or STANDARD


POST = dict(STANDARD, attention_post="post_attention_layernorm", mlp_post="post_feedforward_layernorm",
            attention_norm=None, mlp_norm=None)  # no norm before a block
SHARED = dict(STANDARD, mlp_norm="input_layernorm")  # two blocks that read the stream through one norm
GPT_NEO = dict(GPT2, q="attn.attention.q_proj", k="attn.attention.k_proj", v="attn.attention.v_proj",
               o="attn.attention.out_proj")
GPT_NEO.pop("qkv")
GPT_J = dict(GPT_NEO, q="attn.q_proj", k="attn.k_proj", v="attn.v_proj", o="attn.out_proj", mlp_norm="ln_1")
OLD = dict(SMALL, n_embd=24, n_layer=2, n_head=4, n_positions=32)

BLOOM = dict(model="transformer", embedding="word_embeddings_layernorm", layers="h", attention_norm="input_layernorm",
             qkv="self_attention.query_key_value", order="heads", o="self_attention.dense",
             mlp_norm="post_attention_layernorm", mlp="mlp", final_norm="ln_f")
# BLOOM and MPT add the stream within their MLP modules: what the last projection writes is the node.
BLOOM = dict(BLOOM, mlp="mlp.dense_4h_to_h", mlp_in="mlp.dense_h_to_4h")
MPT = dict(BLOOM, embedding="wte", layers="blocks", attention_norm="norm_1", qkv="attn.Wqkv", order="blocks",
           o="attn.out_proj", mlp_norm="norm_2", mlp="ffn.down_proj", mlp_in="ffn.up_proj", final_norm="norm_f")
FALCON = dict(BLOOM, embedding="word_embeddings", mlp="mlp", order="blocks", mlp_norm="input_layernorm")
FALCON.pop("mlp_in")
PERSIMMON = dict(STANDARD, qkv="self_attn.query_key_value", order="heads", o="self_attn.dense",
                 final_norm="final_layernorm")
CODEGEN = dict(GPT_J, qkv="attn.qkv_proj", order="chunks")
for part in "qkv":
    CODEGEN.pop(part)

SIGHT = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, image_size=8, patch_size=4)


def wrapped(name, text_type, sight, text=None, module="language_model", where=STANDARD, model_type=None, **more):
    """A model of which the family is the text part."""
    vision = dict(sight, model_type=model_type) if model_type else dict(sight)
    inner = dict(LLAMA, **(text or {}), model_type=text_type)
    inner.pop("tie_word_embeddings")
    return (dict(model_type=name, text_config=inner, vision_config=vision, **more),
            dict(where, model="model." + module))


MOE = dict(STANDARD, experts="mlp.experts", router="mlp.gate")
GPT_OSS = dict(MOE, router="mlp.router")
# Latent attention: a head's q, k and v are seen where attention takes them.
DEEPSEEK = dict(MOE, latent="self_attn", shared="mlp.shared_experts", pieces=2)
LATENT = dict(num_key_value_heads=4, q_lora_rank=10, kv_lora_rank=12, qk_nope_head_dim=6,
              qk_rope_head_dim=4, v_head_dim=5, first_k_dense_replace=1, n_routed_experts=8, n_shared_experts=2,
              num_experts_per_tok=3, moe_intermediate_size=8, n_group=4, topk_group=2, routed_scaling_factor=1.5)
YARN = dict(rope_type="yarn", factor=4.0, rope_theta=10000.0, original_max_position_embeddings=16, mscale=1.0)

FAMILIES = {
    "gpt2": (dict(SMALL, n_embd=24, n_layer=2, n_head=4, n_positions=32), GPT2),
    "llama": llama_like(),
    "llama-3": llama_like(model_type="llama", tie_word_embeddings=True,
                          rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                            original_max_position_embeddings=16, rope_theta=10000.0)),
    "llama-yarn": llama_like(model_type="llama", rope_scaling=dict(rope_type="yarn", factor=4.0, rope_theta=10000.0,
                                                                   original_max_position_embeddings=16)),
    "mistral": llama_like(sliding_window=4),
    "qwen2": llama_like(),
    "qwen2-window": llama_like(model_type="qwen2", use_sliding_window=True, sliding_window=4, max_window_layers=1),
    "qwen3": llama_like(head_dim=8),
    "gpt_neox": (dict(SMALL, hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
                      max_position_embeddings=64), NEOX),
    "gemma2": llama_like(head_dim=8, query_pre_attn_scalar=10, sliding_window=4, tie_word_embeddings=True,
                         where=GEMMA2),
    "gemma3_text": llama_like(head_dim=8, query_pre_attn_scalar=10, sliding_window=4, tie_word_embeddings=True,
                              layer_types=["sliding_attention", "full_attention"], where=GEMMA2),
    "gemma": llama_like(head_dim=8, tie_word_embeddings=True),
    "gemma-relu": llama_like(model_type="gemma", head_dim=8, tie_word_embeddings=True, hidden_act="relu"),
    "starcoder2": llama_like(sliding_window=4),
    "gpt_bigcode": (OLD, GPT2),
    "gpt_neo": (dict(SMALL, hidden_size=24, num_layers=2, num_heads=4, max_position_embeddings=32, window_size=4,
                     attention_types=[[["global", "local"], 1]]), GPT_NEO),
    "gptj": (dict(OLD, rotary_dim=4), GPT_J),
    "phi": llama_like(hidden_size=32, where=dict(SHARED, o="self_attn.dense", final_norm="final_layernorm")),
    "phi3": llama_like(where=dict(STANDARD, qkv="self_attn.qkv_proj", order="blocks")),
    "stablelm": llama_like(head_dim=8, hidden_size=32, use_qkv_bias=True),
    "stablelm-parallel": llama_like(model_type="stablelm", hidden_size=32, use_parallel_residual=True, where=SHARED),
    "olmo": llama_like(),
    "olmo2": llama_like(where=POST),
    "olmo3": llama_like(sliding_window=4, layer_types=["sliding_attention", "full_attention"], where=POST),
    "granite": llama_like(embedding_multiplier=3.0, logits_scaling=2.0, residual_multiplier=0.6,
                          attention_multiplier=0.3),
    "cohere": llama_like(logit_scale=0.5, tie_word_embeddings=True, where=SHARED),
    "cohere2": llama_like(logit_scale=0.5, tie_word_embeddings=True, sliding_window=4, where=SHARED,
                          layer_types=["sliding_attention", "full_attention"]),
    "glm": llama_like(head_dim=8),
    "glm4": llama_like(head_dim=8, where=dict(STANDARD, attention_post="post_self_attn_layernorm",
                                              mlp_post="post_mlp_layernorm")),
    "nemotron": llama_like(head_dim=8),
    "exaone4": llama_like(sliding_window=4, layer_types=["sliding_attention", "full_attention"], where=POST),
    "smollm3": llama_like(no_rope_layers=[1, 0], tie_word_embeddings=True),
    "seed_oss": llama_like(head_dim=8),
    "arcee": llama_like(),
    "ernie4_5": llama_like(head_dim=8),
    "hunyuan_v1_dense": llama_like(head_dim=8),
    "stablelm-qk-norm": llama_like(model_type="stablelm", hidden_size=32, qk_layernorm=True),
    "cohere-qk-norm": llama_like(model_type="cohere", logit_scale=0.5, tie_word_embeddings=True, use_qk_norm=True,
                                 where=SHARED),
    "apertus": llama_like(where=dict(STANDARD, attention_norm="attention_layernorm", mlp_norm="feedforward_layernorm")),
    "llama-dynamic": llama_like(model_type="llama", max_position_embeddings=6,
                                rope_scaling=dict(rope_type="dynamic", factor=3.0, rope_theta=10000.0)),
    "phi3-longrope": llama_like(model_type="phi3", original_max_position_embeddings=6, where=dict(
        STANDARD, qkv="self_attn.qkv_proj", order="blocks"), rope_scaling=dict(
            rope_type="longrope", short_factor=[1.0, 1.1, 1.2], long_factor=[1.5, 2.5, 4.0], rope_theta=10000.0)),
    "phi-qk-norm": llama_like(model_type="phi", hidden_size=32, qk_layernorm=True,
                              where=dict(SHARED, o="self_attn.dense", final_norm="final_layernorm")),
    "codegen": (dict(OLD, n_embd=32, n_head=8, rotary_dim=4), CODEGEN),
    "persimmon": llama_like(hidden_size=32, num_key_value_heads=None, where=PERSIMMON),
    "bloom": (dict(SMALL, hidden_size=24, n_layer=2, n_head=4), BLOOM),
    "bloom-6-heads": (dict(SMALL, model_type="bloom", hidden_size=24, n_layer=2, n_head=6), BLOOM),
    "mpt": (dict(SMALL, d_model=24, n_layers=2, n_heads=4, max_seq_len=64), MPT),
    "mpt-6-heads": (dict(SMALL, model_type="mpt", d_model=24, n_layers=2, n_heads=6, max_seq_len=64), MPT),
    "falcon": (dict(SMALL, hidden_size=32, num_hidden_layers=2, num_attention_heads=4), FALCON),
    "falcon-alibi": (dict(SMALL, model_type="falcon", hidden_size=32, num_hidden_layers=2, num_attention_heads=4, alibi=True,
                          multi_query=False, parallel_attn=False, bias=True),
                     dict(FALCON, order="heads", mlp_norm="post_attention_layernorm")),
    "falcon-new": (dict(SMALL, model_type="falcon", hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                        num_kv_heads=2, new_decoder_architecture=True),
                   dict(FALCON, order="groups", attention_norm="ln_attn", mlp_norm="ln_mlp")),
    "mixtral": llama_like(num_local_experts=4, intermediate_size=16, where=MOE),
    "qwen2_moe": llama_like(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=8,
                            shared_expert_intermediate_size=16, where=dict(
                                MOE, shared="mlp.shared_expert", shared_gate="mlp.shared_expert_gate", pieces=2)),
    "qwen3_moe": llama_like(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=8, head_dim=8,
                            norm_topk_prob=True, where=MOE),
    # More experts than tokens visit: what is not visited has no gradient, and no score.
    "olmoe": llama_like(num_experts=16, num_experts_per_tok=2, intermediate_size=8, where=MOE),
    "granitemoe": llama_like(num_local_experts=4, num_experts_per_tok=2, intermediate_size=16, embedding_multiplier=3.0,
                             logits_scaling=2.0, residual_multiplier=0.6, attention_multiplier=0.3,
                             where=dict(MOE, experts="block_sparse_moe.experts", router="block_sparse_moe.router")),
    "phimoe": llama_like(num_local_experts=4, num_experts_per_tok=2, intermediate_size=16, router_jitter_noise=0.2,
                         lm_head_bias=True, attention_bias=True, where=dict(MOE, router="mlp.router")),
    "olmoe-clip": llama_like(model_type="olmoe", num_experts=4, num_experts_per_tok=2, intermediate_size=8, clip_qkv=0.9,
                             where=MOE),
    "mpt-clip": (dict(SMALL, model_type="mpt", d_model=24, n_layers=2, n_heads=4, max_seq_len=64,
                      attn_config=dict(clip_qkv=0.8)), MPT),
    "olmo-clip": llama_like(model_type="olmo", clip_qkv=0.8),
    "phimoe-longrope": llama_like(
        model_type="phimoe", num_local_experts=4, num_experts_per_tok=2, intermediate_size=16, router_jitter_noise=0.2,
        max_position_embeddings=64, where=dict(MOE, router="mlp.router"), rope_scaling=dict(
            rope_type="longrope", short_factor=[1.0, 1.1, 1.2], long_factor=[1.5, 2.5, 4.0], short_mscale=1.1,
            long_mscale=1.3, original_max_position_embeddings=6, rope_theta=10000.0)),
    # One layer without experts before others.
    "qwen2_moe-dense-layer": llama_like(model_type="qwen2_moe", num_experts=4, num_experts_per_tok=2,
                                        moe_intermediate_size=8, shared_expert_intermediate_size=16, intermediate_size=20,
                                        mlp_only_layers=[0], use_sliding_window=True, sliding_window=4, where=dict(
                                            MOE, shared="mlp.shared_expert", shared_gate="mlp.shared_expert_gate",
                                            pieces=2)),
    "qwen3_moe-sparse-step": llama_like(model_type="qwen3_moe", num_experts=4, num_experts_per_tok=2, num_hidden_layers=3,
                                        moe_intermediate_size=8, head_dim=8, norm_topk_prob=True, decoder_sparse_step=2,
                                        use_sliding_window=True, sliding_window=4, max_window_layers=1, where=MOE),
    "deepseek_v3": llama_like(LATENT, DEEPSEEK, rope_scaling=dict(YARN, mscale_all_dim=0.8)),
    "deepseek_v3-no-query-rank": llama_like(dict(LATENT, q_lora_rank=None, n_group=1,
                                                 topk_group=1), DEEPSEEK, model_type="deepseek_v3",
                                            rope_interleave=False, attention_bias=True, norm_topk_prob=False),
    "deepseek_v2": llama_like(LATENT, DEEPSEEK, topk_method="group_limited_greedy",
                              rope_scaling=dict(YARN, mscale_all_dim=0.8)),
    "gpt_oss": llama_like(num_local_experts=4, num_experts_per_tok=2, intermediate_size=8, head_dim=8, sliding_window=4,
                          where=GPT_OSS),
    "llava": wrapped("llava", "llama", SIGHT, model_type="clip_vision_model", image_token_index=60,
                     tie_word_embeddings=False),
    "mistral3": wrapped("mistral3", "mistral", SIGHT, dict(head_dim=6, sliding_window=None), model_type="pixtral",
                        image_token_index=60),
    "smolvlm": wrapped("smolvlm", "llama", SIGHT, image_token_id=60, scale_factor=2, module="text_model"),
    "gemma3": wrapped("gemma3", "gemma3_text", SIGHT,
                      dict(head_dim=8, query_pre_attn_scalar=10, sliding_window=4,
                           layer_types=["sliding_attention", "full_attention"]),
                      model_type="siglip_vision_model", image_token_index=60, boi_token_index=59, eoi_token_index=58,
                      mm_tokens_per_image=4, where=GEMMA2),
    # What config.json says beyond the usual.
    "gpt2-by-layer": (dict(SMALL, model_type="gpt2", n_embd=24, n_layer=3, n_head=4, n_positions=32, scale_attn_weights=False,
                           scale_attn_by_inverse_layer_idx=True), GPT2),
    "hunyuan_v1_dense-alpha": llama_like(model_type="hunyuan_v1_dense", head_dim=8, rope_parameters=dict(
        rope_type="dynamic", rope_theta=10000.0, alpha=50.0, factor=1.0)),
    "gemma3_text-dynamic": llama_like(
        model_type="gemma3_text", head_dim=8, query_pre_attn_scalar=10, sliding_window=4, tie_word_embeddings=True,
        max_position_embeddings=6, layer_types=["sliding_attention", "full_attention"], where=GEMMA2, rope_parameters=dict(
            full_attention=dict(rope_type="dynamic", factor=3.0, rope_theta=10000.0),
            sliding_attention=dict(rope_type="default", rope_theta=123.0))),
    "olmo3-dynamic": llama_like(
        model_type="olmo3", max_position_embeddings=6, sliding_window=4, layer_types=["sliding_attention", "full_attention"],
        where=POST, rope_parameters=dict(full_attention=dict(rope_type="dynamic", factor=3.0, rope_theta=10000.0),
                                         sliding_attention=dict(rope_type="default", rope_theta=123.0))),
    "deepseek_v3-linear": llama_like(LATENT, DEEPSEEK, model_type="deepseek_v3", rope_scaling=dict(
        rope_type="linear", factor=4.0, rope_theta=10000.0, mscale_all_dim=1.0)),
    # The text grows beyond the original context.
    "phi3-crossing": llama_like(model_type="phi3", original_max_position_embeddings=12, where=dict(
        STANDARD, qkv="self_attn.qkv_proj", order="blocks"), rope_scaling=dict(
            rope_type="longrope", short_factor=[1.0, 1.1, 1.2], long_factor=[1.5, 2.5, 4.0], rope_theta=10000.0)),
    # A wrapper's head does not scale, nor cap.
    "aya_vision": wrapped("aya_vision", "cohere2", SIGHT, dict(logit_scale=0.5, sliding_window=4, layer_types=[
        "sliding_attention", "full_attention"]), where=SHARED, model_type="siglip_vision_model", image_token_index=60),
    "gemma3-untied": wrapped("gemma3", "gemma3_text", SIGHT,
                             dict(head_dim=8, query_pre_attn_scalar=10, sliding_window=4, final_logit_softcapping=2.0,
                                  layer_types=["sliding_attention", "full_attention"]),
                             model_type="siglip_vision_model", image_token_index=60, boi_token_index=59, eoi_token_index=58,
                             mm_tokens_per_image=4, tie_word_embeddings=False, where=GEMMA2),
    "opt": (dict(SMALL, hidden_size=24, ffn_dim=32, num_hidden_layers=2, num_attention_heads=4,
                 max_position_embeddings=32, word_embed_proj_dim=24), OPT),
}


def at(module, path):
    for part in path.split("."):
        module = getattr(module, part)
    return module


def part_of(module, path):
    return None if path is None else at(module, path)


def has_experts(where, layer):
    return "experts" in where and hasattr(at(layer, where["experts"].rsplit(".", 1)[0]), "experts")


def make(name):
    changes, where = FAMILIES[name]
    changes = dict(changes)
    config = transformers.AutoConfig.for_model(changes.pop("model_type", name), **changes)
    torch.manual_seed(sum(name.encode()))
    auto = transformers.AutoModelForImageTextToText if "text_config" in changes else transformers.AutoModelForCausalLM
    # Falcon's eager attention adds ALiBi a second time; what it runs by default does not.
    attention = "sdpa" if getattr(config, "alibi", False) is True else "eager"
    model = auto.from_config(config, attn_implementation=attention).eval().float()
    with torch.no_grad():
        for p in model.parameters():
            # What begins at a constant (norms, biases) moves a little from it, so that leaving it out shows.
            constant = bool((p == p.flatten()[0]).all())
            p.copy_(p + 0.1 * torch.randn_like(p) if constant else 0.25 * torch.randn_like(p))
        for buffer, values in model.named_buffers():
            if buffer.endswith("e_score_correction_bias"):
                values.copy_(0.1 * torch.randn_like(values))
    return model, where


class Run:
    """A forward whose parts are seen, and whose readers of the stream read copies of it of their own."""

    def __init__(self, model, where, ids):
        self.model, self.where, self.seen, self.handles, self.patched = model, where, {}, [], []
        self.body = at(model, where["model"])
        self.layers = at(self.body, where["layers"])
        for number, layer in enumerate(self.layers):
            self.watch_layer(number, layer)
        self.copy_input(at(self.body, where["final_norm"]), "final")
        self.keep_output(at(self.body, where["embedding"]), "embedding")
        self.handles.append(self.layers[0].register_forward_pre_hook(
            lambda m, a, k: self.seen.__setitem__("first", (a[0] if a else k["hidden_states"])), with_kwargs=True))
        def attended(number, qkv):
            for part, tensor in zip("qkv", qkv):
                self.keep(f"{number}.{part}_heads", tensor)
        with Attended(model, attended) if "latent" in where else contextlib.nullcontext():
            self.logits = model(ids, use_cache=False).logits
        for handle in self.handles:
            handle.remove()
        for module, forward in self.patched:
            module.forward = forward

    def keep(self, name, tensor):
        if tensor.requires_grad:
            tensor.retain_grad()
        self.seen[name] = tensor

    def keep_output(self, module, name):
        def hook(m, args, out):
            self.keep(name, out)
            return out.clone() if isinstance(out, torch.Tensor) else out  # Falcon adds to it in place
        self.handles.append(module.register_forward_hook(hook))

    def keep_input(self, module, name):
        self.handles.append(module.register_forward_pre_hook(lambda m, a: self.keep(name, a[0])))

    def copy_input(self, module, name):
        def hook(m, args, kwargs):
            given = args[0] if args else kwargs["hidden_states"]
            copy = given.clone()
            self.keep(name, copy)
            if args:
                return (copy, *args[1:]), kwargs
            return args, dict(kwargs, hidden_states=copy)
        self.handles.append(module.register_forward_pre_hook(hook, with_kwargs=True))

    def watch_experts(self, number, layer):
        """Every expert, worked at all tokens with the gate that it has there, on a copy of the stream of its own."""
        where, run = self.where, self
        moe = at(layer, where["experts"].rsplit(".", 1)[0])
        experts, router = at(layer, where["experts"]), at(layer, where["router"])
        self.copy_input(router, f"{number}.router")
        by_turns = hasattr(experts, "gate_up_proj_bias")

        def one(e, x):
            if by_turns:
                made = experts._apply_gate(x @ experts.gate_up_proj[e] + experts.gate_up_proj_bias[e])
                return made @ experts.down_proj[e] + experts.down_proj_bias[e]
            gate, up = torch.nn.functional.linear(x, experts.gate_up_proj[e]).chunk(2, dim=-1)
            return torch.nn.functional.linear(experts.act_fn(gate) * up, experts.down_proj[e])

        def forward(hidden, index, weights):
            total = 0
            for e in range(experts.gate_up_proj.shape[0]):
                x = hidden.clone()
                run.keep(f"{number}.expert{e}_in", x)
                gate = (weights * (index == e)).sum(-1, keepdim=True)
                written = one(e, x) * gate
                run.keep(f"{number}.expert{e}", written)
                total = total + written
            return total

        self.patched.append((experts, experts.forward))
        experts.forward = forward
        if "shared" not in where:
            return
        shared, gate = at(layer, where["shared"]), part_of(layer, where.get("shared_gate"))
        if gate is not None:
            self.copy_input(gate, f"{number}.shared_gate")
        pieces = where["pieces"]

        def beside(hidden):
            total, factor = 0, 1 if gate is None else torch.sigmoid(gate.weight @ hidden[..., None])[..., 0]
            width = shared.gate_proj.weight.shape[0] // pieces
            for s in range(pieces):
                mine = slice(s * width, (s + 1) * width)
                x = hidden.clone()
                run.keep(f"{number}.shared{s}_in", x)
                made = shared.act_fn(x @ shared.gate_proj.weight[mine].T) * (x @ shared.up_proj.weight[mine].T)
                written = made @ shared.down_proj.weight[:, mine].T
                # Its gate multiplies it afterwards, in the model: what is kept is what joins the stream.
                self.seen[f"{number}.shared{s}"] = (written * factor).detach()
                total = total + written
            return total

        self.patched.append((shared, shared.forward))
        shared.forward = beside

    def watch_layer(self, number, layer):
        where = self.where
        if has_experts(where, layer):
            self.watch_experts(number, layer)
        if "latent" in where:
            self.handles.append(at(layer, where["latent"]).register_forward_pre_hook(
                lambda m, a, k: self.seen.__setitem__(f"{number}.latent", k), with_kwargs=True))
        for part in ("q", "k", "v", "qkv"):
            if "latent" in where or ("qkv" in where and part != "qkv"):
                continue
            if part in where:
                self.keep_output(at(layer, where[part]), f"{number}.{part}")
        for part in ("attention_norm", "mlp_norm"):
            if where[part] is not None:
                self.keep_input(at(layer, where[part]), f"{number}.{part}")
        self.keep_input(at(layer, where["o"]), f"{number}.z")
        if has_experts(where, layer):
            return
        self.copy_input(at(layer, where.get("mlp_in", where["mlp"])), f"{number}.mlp_in")
        self.keep_output(at(layer, where["mlp"]), f"{number}.mlp")
        for part in ("attention_post", "mlp_post"):
            if part in where:
                self.keep_input(at(layer, where[part]), f"{number}.{part}")


def through_norm(norm, x, d_y):
    """The gradient at a norm's input from that at its output; norm None: there is none."""
    if norm is None:
        return d_y
    x = x.detach().reshape(d_y.shape).requires_grad_()
    return torch.autograd.grad(norm(x), x, d_y)[0]


def rows_of(module):
    """A projection's weight as [outputs, inputs]."""
    return module.weight.T if type(module).__name__ == "Conv1D" else module.weight


class Attended:
    """While it lasts, the q, k and v that attention functions are given, [batch, heads, tokens, channels] each."""

    def __init__(self, model, found):
        self.module, self.found = sys.modules[type(model).__module__], found

    def __enter__(self):
        self.real = self.module.eager_attention_forward

        def watched(attention, query, key, value, *more, **named):
            self.found(attention.layer_idx, (query, key, value))
            return self.real(attention, query, key, value, *more, **named)
        self.module.eager_attention_forward = watched

    def __exit__(self, *_):
        self.module.eager_attention_forward = self.real


def latent_readers(model, attention, norm, x, seen, number):
    """The gradients at the stream as every head's q, k and v read it: from those that attention found, each on its own
    way through the whole of what comes before."""
    y = norm(x).detach().requires_grad_()
    made = []
    with Attended(model, lambda _, qkv: made.extend(qkv)):
        attention(y, **{k: v for k, v in seen[f"{number}.latent"].items() if k != "hidden_states"})
    down = []
    for part, all_heads in zip("qkv", made):
        grad = seen[f"{number}.{part}_heads"].grad
        for h in range(grad.shape[1]):
            d_y, = torch.autograd.grad(all_heads[:, h], y, grad[:, h], retain_graph=True)
            down.append(through_norm(norm, x, d_y))
    return down


class Heads:
    """Which outputs of the projections belong to a head."""

    def __init__(self, config, where, layer):
        self.n = config.num_attention_heads
        self.kv = getattr(config, "num_key_value_heads", None) or self.n
        if getattr(config, "multi_query", False):
            self.kv = 1
        if getattr(config, "new_decoder_architecture", False):
            self.kv = config.num_kv_heads
        width = rows_of(at(layer, where["o"])).shape[1]
        self.d = width // self.n
        self.where = where

    def columns(self, part, h):
        d = self.d
        if "qkv" not in self.where:
            return part, torch.arange(h * d, (h + 1) * d)
        place = "qkv".index(part)
        if self.where["order"] == "blocks":
            first = (0, self.n * d, (self.n + self.kv) * d)[place] + h * d
        elif self.where["order"] == "groups":  # the queries of a key, it, its value
            each = self.n // self.kv
            first = ((h // each) * (each + 2) + h % each) * d if part == "q" else (h * (each + 2) + each + place - 1) * d
        elif self.where["order"] == "chunks":  # of a quarter of the heads: queries, values, keys
            each = self.n // 4
            first = ((h // each) * 3 * each + (0, 2, 1)[place] * each + h % each) * d
        else:  # head by head
            first = (3 * h + place) * d
        return "qkv", torch.arange(first, first + d)


def held_scale(norm, x):
    """What a norm of outputs multiplies each channel by in this run, [..., channels]."""
    x = x.detach()
    one = torch.ones_like(x)
    return norm(x) / torch.where(x == 0, one, x)


def edge_scores(model, where, clean_ids, other_ids):
    """Mean over sequences of the sum over positions of <A_u(other) - A_u(clean), gradient that v reads>, for the logit
    of token 1 minus that of token 2 at the last position."""
    clean, other = Run(model, where, clean_ids), Run(model, where, other_ids)
    model.zero_grad()
    (clean.logits[:, -1, 1] - clean.logits[:, -1, 2]).sum().backward()
    layers = clean.layers
    residual = getattr(model.config, "residual_multiplier", 1)
    heads = Heads(model.config.get_text_config(), where, layers[0])
    up, down = [], []

    def moved(name):
        return (other.seen[name] - clean.seen[name]).detach().reshape(SEQUENCES, TOKENS, -1)

    # What the stream starts with, without positions: they are the same in both runs.
    up.append((other.seen["first"] - clean.seen["first"]).detach())
    for l, layer in enumerate(layers):
        z, w_o = moved(f"{l}.z"), rows_of(at(layer, where["o"]))
        scale = mlp_scale = 1
        if "attention_post" in where:
            scale = held_scale(at(layer, where["attention_post"]), clean.seen[f"{l}.attention_post"])
            mlp_scale = held_scale(at(layer, where["mlp_post"]), clean.seen[f"{l}.mlp_post"])
        for h in range(heads.n):
            mine = torch.arange(h * heads.d, (h + 1) * heads.d)
            up.append(z[..., mine] @ w_o[:, mine].T * scale)
            up[-1] = up[-1] * residual
        experts = [name for name in clean.seen if name.startswith(f"{l}.expert") and not name.endswith("_in")]
        shared = [name for name in clean.seen if name.startswith(f"{l}.shared") and name[-1].isdigit()]
        if experts:
            up.extend(moved(name) * residual for name in experts + shared)
        else:
            up.append(moved(f"{l}.mlp") * mlp_scale * residual)
        norm, x = part_of(layer, where["attention_norm"]), clean.seen.get(f"{l}.attention_norm")
        if "latent" in where:
            down.extend(latent_readers(model, at(layer, where["latent"]), norm, x, clean.seen, l))
        for part, count in () if "latent" in where else (("q", heads.n), ("k", heads.kv), ("v", heads.kv)):
            for h in range(count):
                name, columns = heads.columns(part, h)
                d = clean.seen[f"{l}.{name}"].grad[..., columns]
                down.append(through_norm(norm, x, d @ rows_of(at(layer, where[name]))[columns]))
        if experts:
            x, norm = clean.seen[f"{l}.mlp_norm"], part_of(layer, where["mlp_norm"])
            routers = [clean.seen[f"{l}.{part}"].grad for part in ("router", "shared_gate") if f"{l}.{part}" in clean.seen]
            for d in [clean.seen[name + "_in"].grad for name in experts + shared] + [sum(routers)]:
                down.append(through_norm(norm, x, d.reshape(x.shape)).reshape(SEQUENCES, TOKENS, -1))
            continue
        x, d = clean.seen.get(f"{l}.mlp_norm"), clean.seen[f"{l}.mlp_in"].grad
        d = through_norm(part_of(layer, where["mlp_norm"]), x, d if x is None else d.reshape(x.shape))
        down.append(d.reshape(SEQUENCES, TOKENS, -1))
    down.append(clean.seen["final"].grad)
    scores = torch.einsum("ubtd,vbtd->uv", torch.stack(up).double(), torch.stack(down).double())
    return (scores / SEQUENCES).detach().float()


def gradient_of(state, tensor, value):
    """Of a saved tensor, by its name in memory; or that of the parameter, or the part of one, that is the same."""
    if tensor in state:
        return state[tensor].grad.clone()
    for p in state.values():
        if p.shape == value.shape and torch.equal(p, value):
            return p.grad.clone()
        if p.dim() != 3:
            continue
        grad = torch.zeros_like(p) if p.grad is None else p.grad
        for e in range(p.shape[0]):  # all experts in one, the gate's rows before those of what it gates
            for first in (0, value.shape[0]):
                part = slice(first, first + value.shape[0])
                if p[e, part].shape == value.shape and torch.equal(p[e, part], value):
                    return grad[e, part].clone()
    raise KeyError(tensor)


def write(name, out):
    model, where = make(name)
    folder = os.path.join(out, name)
    model.save_pretrained(folder)
    for extra in ("generation_config.json",):
        if os.path.exists(os.path.join(folder, extra)):
            os.remove(os.path.join(folder, extra))
    generator = torch.Generator().manual_seed(7)
    ids, other = (torch.randint(3, VOCAB, (SEQUENCES, TOKENS), generator=generator) for _ in range(2))
    reference = {"ids": ids, "counterfactual": other}
    logits = model(ids, use_cache=False).logits
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1))
    model.zero_grad()
    loss.backward()
    stored = load_file(os.path.join(folder, "model.safetensors"))
    state = dict(model.named_parameters(remove_duplicate=False))
    for tensor, value in stored.items():
        if tensor in dict(model.named_buffers()):
            continue  # no parameter
        if "vision" in tensor or "projector" in tensor or "connector" in tensor:
            continue  # parts that a text does not reach
        # Some are saved under another name than they have in memory.
        reference["grad." + tensor] = gradient_of(state, tensor, value)
    reference["logits"] = logits.detach()
    reference["counterfactual_logits"] = model(other, use_cache=False).logits.detach()
    reference["eap"] = edge_scores(model, where, ids, other)
    with torch.no_grad():
        text = ids[:1]
        if name.endswith("-dynamic"):  # keys in a cache keep the angles that they were made with
            text = model.generate(text, max_new_tokens=CONTINUED, do_sample=False)
        while text.shape[1] < TOKENS + CONTINUED:
            text = torch.cat([text, model(text, use_cache=False).logits[:, -1].argmax(-1, keepdim=True)], 1)
        # Last: it changes the model. What rounding to BF16 costs transformers is what it may cost here.
        reference["logits_bf16"] = model.bfloat16()(ids, use_cache=False).logits.float()
    save_file({k: v.contiguous() for k, v in reference.items()}, os.path.join(folder, "reference.safetensors"))
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    with open(os.path.join(folder, "reference.json"), "w") as file:
        json.dump({"continuation": text[0, TOKENS:].tolist(), "versions": versions}, file)
        file.write("\n")
    print(f"{name}: {len(stored)} tensors, {len(reference) - 6} gradients")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    failed = []
    for name in arguments.names or FAMILIES:
        try:
            write(name, arguments.out)
        except Exception as error:  # every other family is still made
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
            failed.append(name)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
