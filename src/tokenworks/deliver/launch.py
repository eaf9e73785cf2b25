"""Launch files for the chosen engine; each is read back and compared with the plan before it is written.

Flags are those of Megatron-LM (arguments.py, Megatron Core), MindSpeed-LLM (which takes Megatron's), MaxText
(base.yml), NxD Training (distributed_strategy) and vLLM (vllm serve).
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from tokenworks.errors import Defect
from tokenworks.workload import Architecture, FeedForward, Layer

MEGATRON = ("megatron-lm", "mindspeed")
Plan = Mapping[str, int]


def files(design: Mapping[str, Any], architecture: Architecture) -> Mapping[str, str]:
    """Launch files of a design by name. Raises Defect where a file does not say what the plan says."""
    framework = design["framework"]
    if design.get("pools"):
        return _pools(design)
    if framework in MEGATRON:
        name, content = "train.sh", _megatron(design, architecture)
    elif framework == "maxtext":
        name, content = "maxtext.yml", _maxtext(design)
    elif framework == "neuronx":
        name, content = "nxd_training.yaml", _neuronx(design)
    else:
        name, content = "serve.sh", _vllm(design)
    _same(name, content, design)
    return {name: content}


def _same(name: str, content: str, design: Mapping[str, Any]) -> None:
    """Raises Defect where a file does not say what the plan says."""
    found, wanted = read_back(name, content), plan(design, name)
    if found != wanted:
        raise Defect("{name} says {found}, the plan {wanted}", name=name, found=found, wanted=wanted)


def _pools(design: Mapping[str, Any]) -> Mapping[str, str]:
    """One file for the workers of each pool."""
    made = {}
    for role, pool in design["pools"].items():
        split = {k: pool[k] for k in ("tp", "pp", "dp", "ep")}
        drafts = design["draft"] if role == "decode" else 0
        one = {**design, "parallelism": split, "replicas": pool["replicas"], "draft": drafts, "role": role}
        content = _vllm(one)
        _same("serve.sh", content, one)
        made[f"serve-{role}.sh"] = content
    return made


def plan(design: Mapping[str, Any], name: str) -> Plan:
    """What a launch file must say of a design: chips and degrees."""
    degrees = design["parallelism"]
    if name == "serve.sh":
        size = degrees["tp"] * degrees["pp"] * degrees["dp"]
        return {
            "chips": size,
            **{k: degrees[k] for k in ("tp", "pp", "dp")},
            "expert": int(degrees["ep"] > 1),
        }
    kept = {"train.sh": ("tp", "pp", "cp", "ep", "vpp"), "maxtext.yml": ("tp", "pp", "cp", "ep")}.get(
        name, ("tp", "pp", "vpp")
    )
    return {"chips": design["chips"], **{k: degrees[k] for k in kept}}


def read_back(name: str, content: str) -> Plan:
    """Chips and parallel degrees as a launch file states them."""
    if name.endswith((".yml", ".yaml")):
        said = yaml.safe_load(content)
        if "ici_tensor_parallelism" in said:
            names = {"tp": "tensor", "pp": "pipeline", "cp": "context", "ep": "expert"}
            degrees = {k: said[f"ici_{n}_parallelism"] for k, n in names.items()}
            return {"chips": math.prod(degrees.values()) * said["ici_fsdp_parallelism"], **degrees}
        trainer, split = said["trainer"], said["distributed_strategy"]
        return {
            "chips": trainer["devices"] * trainer["num_nodes"],
            "tp": split["tensor_model_parallel_size"],
            "pp": split["pipeline_model_parallel_size"],
            "vpp": split["virtual_pipeline_model_parallel_size"],
        }
    words = shlex.split(content, comments=True)

    def number(flag: str, default: int = 1) -> int:
        return int(words[words.index(flag) + 1]) if flag in words else default

    if name == "serve.sh":
        tp, pp, dp = (number(f"--{k}-parallel-size") for k in ("tensor", "pipeline", "data"))
        return {
            "chips": tp * pp * dp,
            "tp": tp,
            "pp": pp,
            "dp": dp,
            "expert": int("--enable-expert-parallel" in words),
        }
    return {
        "chips": number("--nnodes") * number("--nproc-per-node"),
        "tp": number("--tensor-model-parallel-size"),
        "pp": number("--pipeline-model-parallel-size"),
        "cp": number("--context-parallel-size"),
        "ep": number("--expert-model-parallel-size"),
        "vpp": _virtual(words, number),
    }


def _virtual(words: list[str], number: Callable[[str], int]) -> int:
    """Virtual stages per rank, stated or spelt out as a layout."""
    flag = "--pipeline-model-parallel-layout"
    if flag in words:
        return (words[words.index(flag) + 1].count("|") + 1) // number("--pipeline-model-parallel-size")
    return number("--num-virtual-stages-per-pipeline-rank")


# ---------------------------------------------------------------------------------------- Megatron


def _megatron(design: Mapping[str, Any], a: Architecture) -> str:
    p, job = design["parallelism"], design["job"]
    flags: list[tuple[str, Any]] = [
        *_shape(a),
        ("seq-length", job["sequence"]),
        ("max-position-embeddings", max(job["sequence"], a.max_context or 0)),
        ("micro-batch-size", p["micro_batch"]),
        ("global-batch-size", p["global_batch"]),
        ("train-samples", max(1, round(job["tokens"] / job["sequence"]))),
        ("tensor-model-parallel-size", p["tp"]),
        ("pipeline-model-parallel-size", p["pp"]),
        ("context-parallel-size", p["cp"]),
        ("expert-model-parallel-size", p["ep"]),
        *_stages(p, a),
        *_schedule(p),
        ("fp16" if design["precision"] == "fp16" else "bf16", None),
        *([("fp8-format", "hybrid")] if design["precision"].startswith("fp8") else []),
    ]
    if design["framework"] == "mindspeed":
        flags += [("use-flash-attn", None), ("use-fused-rmsnorm", None), ("use-fused-swiglu", None)]
    lines = [f"    --{name}" + ("" if value is None else f" {value}") for name, value in flags]
    head = [
        "#!/usr/bin/env bash",
        f"# {_comment(design['id'])}: {design['chips']} x {_comment(design['chip_name'])}, {design['framework']}",
        "set -euo pipefail",
        ': "${MASTER_ADDR:?address of the first node}" "${NODE_RANK:?0 to nodes - 1}" "${DATA_PATH:?tokenised data}"',
        ': "${TOKENIZER:?tokenizer model}" "${CHECKPOINTS:?folder for checkpoints}"',
        "",
        f"torchrun --nnodes {design['nodes']} --nproc-per-node {design['chips_per_node']} \\",
        '    --node-rank "$NODE_RANK" --master-addr "$MASTER_ADDR" --master-port 6000 \\',
        "    pretrain_gpt.py \\",
    ]
    tail = ['    --data-path "$DATA_PATH"', '    --tokenizer-model "$TOKENIZER"', '    --save "$CHECKPOINTS"']
    return "\n".join(head) + "\n" + " \\\n".join([*lines, *tail]) + "\n"


def _comment(value: str) -> str:
    return re.sub(r"[^\w .,()/+-]", " ", value)


def _stages(p: Mapping[str, Any], a: Architecture) -> list[tuple[str, Any]]:
    """How layers lie on stages: evenly where they divide, else spelt out (E embedding, t layer, m MTP, L loss)."""
    count = p["pp"] * p["vpp"]
    if count == 1:
        return []
    if a.depth % count == 0 and not a.mtp_layers:
        return [("num-virtual-stages-per-pipeline-rank", p["vpp"])] if p["vpp"] > 1 else []
    least, more = divmod(a.depth, count)
    first = (count - more) // 2  # the longer stages lie in the middle: the ends carry embedding and loss
    sizes = [least + (first <= i < first + more) for i in range(count)]
    stages = ["t" * n for n in sizes]
    stages[0], stages[-1] = "E" + stages[0], stages[-1] + "m" * a.mtp_layers + "L"
    return [("pipeline-model-parallel-layout", shlex.quote("|".join(stages)))]


def _schedule(p: Mapping[str, Any]) -> list[tuple[str, Any]]:
    flags: list[tuple[str, Any]] = []
    if p["sequence_parallel"]:
        flags.append(("sequence-parallel", None))
    if p["recompute"] == "selective":
        flags.append(("recompute-activations", None))
    if p["recompute"] == "full":
        flags += [
            ("recompute-granularity", "full"),
            ("recompute-method", "uniform"),
            ("recompute-num-layers", 1),
        ]
    if p["zero"] == 3:
        flags += [("use-megatron-fsdp", None), ("data-parallel-sharding-strategy", "optim_grads_params")]
    else:
        flags.append(("use-distributed-optimizer", None))
    return [*flags, ("overlap-grad-reduce", None), ("overlap-param-gather", None)]


def _shape(a: Architecture) -> list[tuple[str, Any]]:
    """The model's dimensions as Megatron names them."""
    widest: Layer = max(
        (layer for layer, _ in a.layers if layer.attention),
        key=lambda x: x.attention.heads if x.attention else 0,
    )
    attention = widest.attention
    flags: list[tuple[str, Any]] = [
        ("num-layers", a.depth),
        ("hidden-size", a.hidden),
        ("vocab-size", a.vocab),
    ]
    if attention is not None:
        flags.append(("num-attention-heads", attention.heads))
        if attention.kv_lora_rank is not None:
            flags += [("multi-latent-attention", None), ("kv-lora-rank", attention.kv_lora_rank),
                      ("qk-head-dim", attention.head_dim - attention.rope_head_dim),
                      ("qk-pos-emb-head-dim", attention.rope_head_dim),
                      ("v-head-dim", attention.v_head_dim)]  # fmt: skip
            if attention.q_lora_rank:
                flags.append(("q-lora-rank", attention.q_lora_rank))
        else:
            flags += [("group-query-attention", None), ("num-query-groups", attention.kv_heads),
                      ("kv-channels", attention.head_dim)]  # fmt: skip
    flags += _mixers(a)
    if not a.tied:
        flags.append(("untie-embeddings-and-output-weights", None))
    if a.mtp_layers:
        flags.append(("mtp-num-layers", a.mtp_layers))
    return [
        *flags,
        ("normalization", "RMSNorm"),
        ("position-embedding-type", "rope"),
        ("disable-bias-linear", None),
    ]


def _mixers(a: Architecture) -> list[tuple[str, Any]]:
    blocks = [f for layer, _ in a.layers if (f := layer.ffn) is not None]
    dense = next((f for f in blocks if not f.experts), None)
    mixture: FeedForward | None = next((f for f in blocks if f.experts), None)
    flags: list[tuple[str, Any]] = []
    if dense is not None:
        flags.append(("ffn-hidden-size", dense.width))
    if any(f.gated for f in blocks):
        flags.append(("swiglu", None))
    if mixture is not None:
        freq = [int(layer.ffn is not None and layer.ffn.experts > 0) for layer, n in a.layers for _ in range(n)]
        flags += [("num-experts", mixture.experts), ("moe-router-topk", mixture.top_k),
                  ("moe-ffn-hidden-size", mixture.expert_width), ("moe-grouped-gemm", None),
                  ("moe-token-dispatcher-type", "alltoall"),
                  ("moe-layer-freq", shlex.quote(str(freq).replace(" ", "")))]  # fmt: skip
        if mixture.shared_width:
            flags.append(("moe-shared-expert-intermediate-size", mixture.shared_width))
    return flags


# ------------------------------------------------------------------------------- the other engines


def _maxtext(design: Mapping[str, Any]) -> str:
    p, job = design["parallelism"], design["job"]
    return yaml.safe_dump(
        {
            "model_name": design["model"],
            "ici_tensor_parallelism": p["tp"],
            "ici_pipeline_parallelism": p["pp"],
            "ici_context_parallelism": p["cp"],
            "ici_expert_parallelism": p["ep"],
            "ici_fsdp_parallelism": max(1, p["dp"] // p["ep"]),  # expert ranks lie within the data ranks
            "per_device_batch_size": p["global_batch"] / design["chips"],
            "max_target_length": job["sequence"],
            "steps": max(1, round(job["tokens"] / (p["global_batch"] * job["sequence"]))),
            "dtype": "bfloat16",
            "remat_policy": {"none": "minimal", "selective": "minimal_with_context", "full": "full"}[p["recompute"]],
        },
        sort_keys=False,
    )


def _neuronx(design: Mapping[str, Any]) -> str:
    p, job = design["parallelism"], design["job"]
    return yaml.safe_dump(
        {
            "trainer": {
                "devices": design["chips_per_node"],
                "num_nodes": design["nodes"],
                "max_steps": max(1, round(job["tokens"] / (p["global_batch"] * job["sequence"]))),
            },
            "distributed_strategy": {
                "tensor_model_parallel_size": p["tp"],
                "pipeline_model_parallel_size": p["pp"],
                "virtual_pipeline_model_parallel_size": p["vpp"],
                "zero1": p["zero"] >= 1,
                "sequence_parallel": p["sequence_parallel"],
            },
            "data": {
                "micro_batch_size": p["micro_batch"],
                "global_batch_size": p["global_batch"],
                "seq_length": job["sequence"],
            },
            "precision": {"type": "bf16SR"},
        },
        sort_keys=False,
    )


def _vllm(design: Mapping[str, Any]) -> str:
    """One replica; the design runs `replicas` of them behind a router."""
    p, job = design["parallelism"], design["job"]
    flags: list[tuple[str, Any]] = [
        ("tensor-parallel-size", p["tp"]),
        ("pipeline-parallel-size", p["pp"]),
        ("data-parallel-size", p["dp"]),
        ("max-model-len", job["input"] + job["output"]),
        ("max-num-seqs", max(1, math.ceil((job.get("batch") or 1) / p["dp"]))),  # of one data-parallel engine
    ]
    local = max(1, design["chips_per_node"] // (p["tp"] * p["pp"]))
    if p["dp"] > local:  # the other nodes run the same line with --headless and their own start rank
        flags += [
            ("data-parallel-size-local", local),
            ("data-parallel-address", '"$HEAD_ADDR"'),
            ("data-parallel-rpc-port", 13345),
            ("data-parallel-start-rank", '"${START_RANK:-0}"'),
        ]
    if p["ep"] > 1:
        flags.append(("enable-expert-parallel", None))
    if design["precision"].startswith("fp8"):
        flags.append(("kv-cache-dtype", "fp8"))
    if design.get("draft"):  # docs.vllm.ai, speculative decoding: the model's own MTP modules
        flags.append(
            ("speculative-config", shlex.quote(f'{{"method":"mtp","num_speculative_tokens":{design["draft"]}}}'))
        )
    if "role" in design:  # docs.vllm.ai, disaggregated prefilling: NIXL hands the cache over, a proxy pairs the pools
        flags.append(("kv-transfer-config", shlex.quote('{"kv_connector":"NixlConnector","kv_role":"kv_both"}')))
    lines = [f"    --{name}" + ("" if value is None else f" {value}") for name, value in flags]
    what = f"{design['role']} workers" if "role" in design else "replicas"
    return (
        "#!/usr/bin/env bash\n"
        f"# {_comment(design['id'])}: one of {design['replicas']} {what}, {design['framework']}\n"
        'set -euo pipefail\n: "${MODEL:?checkpoint folder or name}"\n\n'
        'vllm serve "$MODEL" \\\n' + " \\\n".join(lines) + "\n"
    )
