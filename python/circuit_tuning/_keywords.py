"""Types of the keyword arguments that the engine declares. Made by tools/python_keywords.py: not to be edited."""

from __future__ import annotations

from typing import Literal, Sequence, TypedDict, Union


class DiscoverSettings(TypedDict, total=False):
    """Keyword arguments of discover."""

    method: Literal["eap", "eap-ig-inputs", "eap-ig-activations", "eap-ig-activations-own", "relp", "gim", "clean-corrupted", "edge-pruning", "exact", "magnitude", "wanda", "random"]
    metric: Literal["logit_diff", "prob_diff", "log_prob", "nll", "kl"]
    ablation: Literal["counterfactual", "mean", "mean-positional", "zero"]
    ig_steps: int
    mask_steps: int
    mask_records: int
    mask_share: float
    mask_rate: float
    positions: Literal["all", "readout"]
    ungrouped: bool
    mlp_block: int
    selection: Literal["top-edges", "top-edges-weighted", "threshold", "greedy", "param-budget", "top-nodes", "random"]
    n: int
    threshold: float
    budget: float
    signed: bool
    target_faithfulness: float
    resamples: int
    stable: float
    prune: bool
    verify: int
    channels: bool
    bos: Literal["auto", "always", "never"]
    max_length: int
    batch: int


class EvaluateSettings(TypedDict, total=False):
    """Keyword arguments of evaluate."""

    metric: Literal["logit_diff", "prob_diff", "log_prob", "nll", "kl"]
    ablation: Literal["counterfactual", "mean", "mean-positional", "zero"]
    prune: bool
    curve: bool
    redundancy: int
    baselines: bool
    draws: int
    negate: bool
    bos: Literal["auto", "always", "never"]
    max_length: int
    batch: int


class TuneSettings(TypedDict, total=False):
    """Keyword arguments of tune."""

    method: Literal["circuit", "full", "lora", "random", "fixed", "complement"]
    tuning_method: Literal["circuit", "full", "lora", "random", "fixed", "complement"]
    steps: int
    tuning_steps: int
    batch: int
    tuning_batch: int
    accumulation: int
    tuning_accumulation: int
    seed: int
    tuning_seed: int
    shared_biases: bool
    tuning_shared_biases: bool
    train_norms: bool
    tuning_train_norms: bool
    train_embeddings: bool
    tuning_train_embeddings: bool
    train_unembedding: bool
    tuning_train_unembedding: bool
    state_on_return: Literal["keep", "reset"]
    tuning_state_on_return: Literal["keep", "reset"]
    readout_weight: float
    tuning_readout_weight: float
    readout_only: bool
    tuning_readout_only: bool
    regulariser: float
    tuning_regulariser: float
    anchor: float
    tuning_anchor: float
    anchor_replay: float
    tuning_anchor_replay: float
    null_space: float
    tuning_null_space: float
    general_windows: int
    tuning_general_windows: int
    match_parameters: bool
    tuning_match_parameters: bool
    max_loss: float
    tuning_max_loss: float
    recompute: bool
    tuning_recompute: bool
    discovery_method: Literal["eap", "eap-ig-inputs", "eap-ig-activations", "eap-ig-activations-own", "relp", "gim", "clean-corrupted", "edge-pruning", "exact", "magnitude", "wanda", "random"]
    metric: Literal["logit_diff", "prob_diff", "log_prob", "nll", "kl"]
    discovery_metric: Literal["logit_diff", "prob_diff", "log_prob", "nll", "kl"]
    ablation: Literal["counterfactual", "mean", "mean-positional", "zero"]
    discovery_ablation: Literal["counterfactual", "mean", "mean-positional", "zero"]
    ig_steps: int
    discovery_ig_steps: int
    mask_steps: int
    discovery_mask_steps: int
    mask_records: int
    discovery_mask_records: int
    mask_share: float
    discovery_mask_share: float
    mask_rate: float
    discovery_mask_rate: float
    positions: Literal["all", "readout"]
    discovery_positions: Literal["all", "readout"]
    every: int
    discovery_every: int
    batches: int
    discovery_batches: int
    ungrouped: bool
    discovery_ungrouped: bool
    mlp_block: int
    discovery_mlp_block: int
    smoothing: float
    discovery_smoothing: float
    kind: Literal["top-edges", "top-edges-weighted", "threshold", "greedy", "param-budget", "top-nodes", "random", "faithfulness"]
    selection_kind: Literal["top-edges", "top-edges-weighted", "threshold", "greedy", "param-budget", "top-nodes", "random", "faithfulness"]
    n: int
    selection_n: int
    threshold: float
    selection_threshold: float
    budget: float
    selection_budget: float
    signed: bool
    selection_signed: bool
    slices: Literal["circuit", "random-stratified", "gradient-norm", "contrastive", "oracle"]
    selection_slices: Literal["circuit", "random-stratified", "gradient-norm", "contrastive", "oracle"]
    general_damping: float
    selection_general_damping: float
    tuned_model: str
    selection_tuned_model: str
    schedule: Literal["constant", "linear", "geometric"]
    selection_schedule: Literal["constant", "linear", "geometric"]
    n_final: int
    selection_n_final: int
    leave_rank: int
    selection_leave_rank: int
    extra_random: float
    selection_extra_random: float
    extra_outside: str
    selection_extra_outside: str
    always: Union[str, Sequence[str]]
    selection_always: Union[str, Sequence[str]]
    never: Union[str, Sequence[str]]
    selection_never: Union[str, Sequence[str]]
    faithfulness: float
    selection_faithfulness: float
    faithfulness_records: int
    selection_faithfulness_records: int
    optimizer_kind: Literal["sgd", "adamw"]
    lr: float
    optimizer_lr: float
    momentum: float
    optimizer_momentum: float
    beta1: float
    optimizer_beta1: float
    beta2: float
    optimizer_beta2: float
    epsilon: float
    optimizer_epsilon: float
    curvature: float
    optimizer_curvature: float
    weight_decay: float
    optimizer_weight_decay: float
    decay_biases: bool
    optimizer_decay_biases: bool
    warmup: int
    optimizer_warmup: int
    clip: float
    optimizer_clip: float
    optimizer_schedule: Literal["constant", "linear", "cosine"]
    final_share: float
    optimizer_final_share: float
    rates: Union[str, Sequence[str]]
    optimizer_rates: Union[str, Sequence[str]]
    data_train: str
    data_dev: str
    data_test: str
    data_untouched: str
    bos: Literal["auto", "always", "never"]
    data_bos: Literal["auto", "always", "never"]
    max_length: int
    data_max_length: int
    window: int
    data_window: int
    data_replay: str
    replay_share: float
    data_replay_share: float
    evaluation_every: int
    keep: Literal["best", "all"]
    evaluation_keep: Literal["best", "all"]
    patience: int
    evaluation_patience: int
    stop_at: str
    evaluation_stop_at: str
    evaluation_batch: int
    evaluation_window: int
    files: Union[str, Sequence[str]]
    evaluation_files: Union[str, Sequence[str]]
    max_tokens: int
    evaluation_max_tokens: int
    circuit_records: int
    evaluation_circuit_records: int
    kl: bool
    evaluation_kl: bool
    mask_words: Union[str, Sequence[str]]
    evaluation_mask_words: Union[str, Sequence[str]]
    mask_task: bool
    evaluation_mask_task: bool
    leave_out: Union[str, Sequence[str]]
    evaluation_leave_out: Union[str, Sequence[str]]
    run_path: str
    keep_scores: Literal["all", "every", "last"]
    run_keep_scores: Literal["all", "every", "last"]
    keep_every: int
    run_keep_every: int
    loggers: Union[str, Sequence[str]]
    run_loggers: Union[str, Sequence[str]]
    model_path: str
    init: Literal["pretrained", "random"]
    model_init: Literal["pretrained", "random"]
    rank: int
    lora_rank: int
    alpha: float
    lora_alpha: float
    targets: Union[str, Sequence[str]]
    lora_targets: Union[str, Sequence[str]]
    circuit: bool
    lora_circuit: bool
    rank_by_score: bool
    lora_rank_by_score: bool


class AnalyseSettings(TypedDict, total=False):
    """Keyword arguments of analyse."""

    records: int
    states: int
    seed: int
