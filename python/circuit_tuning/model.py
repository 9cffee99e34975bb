"""A language model as the engine works on it: a transformers model's own weights, or a folder's."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
import warnings
import weakref
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple, Union

import numpy as np
import torch

from ._engine import call, classes
from ._settings import toml
from .errors import InputError, UsageError

_DTYPES = {torch.float32: "f32", torch.bfloat16: "bf16"}


class Graph:
    """The computational graph of a model: nodes that write to the residual stream, nodes that read it, an edge for each
    pair of them that are connected. Edges have ids, by reader, then by writer.

    upstream, downstream: names, as "a0.h3", "m5", "a0.h3<q>", "logits". starts: the first edge of each reader.
    """

    def __init__(self, description: Dict[str, Any]) -> None:
        self.upstream: List[str] = description["upstream"]
        self.downstream: List[str] = description["downstream"]
        self.visible = np.asarray(description["visible"], dtype=np.int64)
        self.starts = np.concatenate([[0], np.cumsum(self.visible)])[:-1]
        self._readers = {name: i for i, name in enumerate(self.downstream)}
        self._writers = {name: i for i, name in enumerate(self.upstream)}

    def __len__(self) -> int:
        return int(self.visible.sum())

    def ends(self, edges: Any) -> Tuple[Any, Any]:
        """(upstream, downstream) node indices of edges by id, int64 arrays."""
        ids = np.asarray(edges, dtype=np.int64)
        downstream = np.searchsorted(self.starts, ids, side="right") - 1
        return ids - self.starts[downstream], downstream

    def names(self, edges: Any) -> List[str]:
        """Names of edges by id: "input->a0.h0<q>"."""
        u, v = self.ends(edges)
        return [f"{self.upstream[i]}->{self.downstream[j]}" for i, j in zip(u.tolist(), v.tolist())]

    def edge(self, name: str) -> int:
        """The id of an edge by name. Raises InputError for one that the graph does not have."""
        writer, _, reader = name.partition("->")
        u, v = self._writers.get(writer), self._readers.get(reader)
        if u is None or v is None or u >= self.visible[v]:
            raise InputError(f"[{name}] is no edge of this graph.")
        return int(self.starts[v] + u)


def _refuse(model: Any) -> None:
    """Raises for a model whose tensors are not plainly its weights."""
    if hasattr(model, "peft_config"):
        raise UsageError(
            "[model] is a PEFT model: its adapters are no part of the graph. Give model.merge_and_unload(), or the base "
            "model."
        )
    if getattr(model, "is_quantized", False) or getattr(model, "hf_quantizer", None) is not None:
        raise UsageError("[model] is quantised: circuits need its weights. Load it without quantization_config.")
    devices = set()
    for name, tensor in model.named_parameters():
        if tensor.device.type == "meta":
            raise UsageError(
                f"[model] tensor '{name}' is on the meta device: it has no values (loaded with offloading or "
                "init_empty_weights?). Load the model whole."
            )
        devices.add(tensor.device)
    places = getattr(model, "hf_device_map", {}) or {}
    if len(devices) > 1 or any(str(place) in ("disk",) for place in places.values()):
        raise UsageError(
            f"[model] stands on {len(devices)} devices ({', '.join(sorted(map(str, devices)))}) or is offloaded: put it on "
            "one with model.to(device)."
        )


def _dtype_of(model: Any) -> str:
    dtypes = {p.dtype for p in model.parameters()}
    if len(dtypes) > 1:
        raise UsageError(
            f"[model] has weights of {', '.join(sorted(map(str, dtypes)))}: bring them to one with model.to(dtype)."
        )
    dtype = dtypes.pop()
    if dtype not in _DTYPES:
        raise UsageError(
            f"[model] has weights of {dtype}, in which the engine does not compute: use model.float() or "
            "model.to(torch.bfloat16)."
        )
    return _DTYPES[dtype]


def _tensors_of(model: Any) -> Dict[str, torch.Tensor]:
    """Parameters by the name that a checkpoint has for them, without gradients' history. Nothing is copied."""
    tensors = {}
    for name, parameter in model.named_parameters():
        if not parameter.is_contiguous():
            raise UsageError(f"[model] tensor '{name}' is not contiguous. Use parameter.data = parameter.data.contiguous().")
        tensors[name] = parameter.detach()
    return tensors


class Model:
    """A model whose circuits are looked for.

    model: a transformers PreTrainedModel, whose weights are shared and stay where they are; or a model directory, or a
    GGUF file. tokenizer: the model's own; without one, records are of token ids ("text_ids"). ungrouped: key and value
    readers per query head. mlp_block: channels of an MLP node; 0: an MLP is one node. dtype: of a folder's computation,
    torch.float32 or torch.bfloat16; device: "cpu" or "cuda"; a transformers model has its own.

    Raises UsageError for a model that is quantised, offloaded, on the meta device or wrapped by PEFT, InputError for an
    architecture that is not known.
    """

    def __init__(
        self,
        model: Union[str, "os.PathLike[str]", torch.nn.Module],
        tokenizer: Any = None,
        *,
        ungrouped: bool = False,
        mlp_block: int = 0,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
    ) -> None:
        self.hf: Optional[Any] = None
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._form = {"ungrouped": ungrouped, "mlp_block": mlp_block}
        if isinstance(model, (str, os.PathLike)):
            if tokenizer is not None:
                raise UsageError("[tokenizer] a folder has its own; give one with a transformers model only.")
            if dtype not in _DTYPES:
                raise UsageError(f"[dtype] found {dtype}, expected torch.float32 or torch.bfloat16.")
            self.folder = os.fspath(model)
            compute = {"dtype": _DTYPES[dtype], "device": device}
            weights: Dict[str, torch.Tensor] = {}
        else:
            if not isinstance(model, torch.nn.Module) or not hasattr(model, "config"):
                raise UsageError(
                    f"[model] found a {type(model).__name__}, expected a transformers model or the path of one."
                )
            _refuse(model)
            self.hf = model
            weights = _tensors_of(model)
            compute = {"dtype": _dtype_of(model), "device": str(next(iter(weights.values())).device)}
            self.folder = tempfile.mkdtemp(prefix="circuit-model-")
            self._remove = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
            self._describe(model, tokenizer)
        self.tokenizer = tokenizer
        self._compute = compute
        self._engine = call(classes.Engine, self.folder, weights, json.dumps(compute))
        described = json.loads(call(self._engine.describe, toml("discover", self._form)))
        self.graph = Graph(described)
        self.family: str = described["family"]
        self.parameters: int = described["parameters"]

    def _describe(self, model: Any, tokenizer: Any) -> None:
        """The files beside the weights, as save_pretrained writes them."""
        config = json.loads(model.config.to_json_string(use_diff=False))
        config.setdefault("architectures", [type(model).__name__])
        (Path(self.folder) / "config.json").write_text(json.dumps(config))
        generation = getattr(model, "generation_config", None)
        if generation is not None:
            try:
                generation.save_pretrained(self.folder)
            except ValueError:  # transformers refuses what it takes for contradictory; the model's own ends stand
                pass
        if tokenizer is None:
            return
        rows = model.get_input_embeddings().weight.shape[0]
        if len(tokenizer) > rows:
            raise UsageError(
                f"[tokenizer] has {len(tokenizer)} tokens, the model {rows}: it belongs to another model."
            )
        names = [getattr(tokenizer, "name_or_path", ""), getattr(model, "name_or_path", "")]
        if all(names) and names[0] != names[1] and 2 * len(tokenizer) < rows:
            warnings.warn(
                f"the tokenizer is of {names[0]} and has {len(tokenizer)} tokens, the model is {names[1]} and has {rows}: "
                "do they belong together?",
                stacklevel=4,
            )
        tokenizer.save_pretrained(self.folder)

    def engine(self) -> Any:
        """The engine's handle. Raises UsageError in a process forked off the one that made it."""
        if os.getpid() != self._owner:
            raise UsageError(
                "[model] was opened in another process: torch's threads do not survive a fork. Open it in this one, or start "
                "processes with the method 'spawn'."
            )
        if self.hf is not None:
            moved = next(self.hf.parameters())
            if str(moved.device) != self._compute["device"] or _DTYPES.get(moved.dtype) != self._compute["dtype"]:
                raise UsageError("[model] was moved or cast since ct.Model saw it. Make a new ct.Model of it.")
        return self._engine

    @property
    def threads(self) -> int:
        """torch's own number, which the engine follows."""
        return torch.get_num_threads()

    def form(self, **more: Any) -> str:
        """TOML of the graph's form, and of more keywords of discover."""
        return toml("discover", {**self._form, **more})

    @property
    def n_edges(self) -> int:
        return len(self.graph)

    def __repr__(self) -> str:
        return f"<Model {self.family}: {self.parameters:,} parameters, {self.n_edges:,} edges, {self._compute['dtype']}>"

    def __reduce__(self) -> Any:
        if self.hf is not None:
            raise TypeError("a Model over live weights cannot be pickled. Save the transformers model, and open its folder.")
        return _reopen, (self.folder, self._form, self._compute)


def _reopen(folder: str, form: Dict[str, Any], compute: Dict[str, str]) -> Model:
    dtype = {name: dtype for dtype, name in _DTYPES.items()}[compute["dtype"]]
    return Model(folder, dtype=dtype, device=compute["device"], **form)
