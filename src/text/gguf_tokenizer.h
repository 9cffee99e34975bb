// The tokenizer that a GGUF file's metadata describes (tokenizer.ggml.*, tokenizer.chat_template), as the files that a
// Hugging Face directory has in its place. https://github.com/ggml-org/ggml/blob/master/docs/gguf.md#tokenizer.
#pragma once

#include "io/gguf.h"
#include "io/json.h"

namespace circuit {

// What tokenizer.json says. tokenizer.ggml.model is "gpt2" (byte-level BPE; tokenizer.ggml.pre names how text is cut:
// gpt-2, smollm, llama-bpe, qwen2) or "llama" (SentencePiece's BPE, whose merges are made of the scores as in
// transformers, tokenization_utils_base.py, generate_merges). Throws Error naming the key that is missing or says
// something else.
Json gguf_tokenizer_json(const GgufHeader& header);

// What tokenizer_config.json says: the tokens with a role and the chat template.
Json gguf_tokenizer_config(const GgufHeader& header);

}  // namespace circuit
