"""A model changed to suit a chip: the same parameters and the same work a token, in other shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from tokenworks.workload.architecture import Architecture, FeedForward, Layer

TILE = 128  # widths of experts are kept to multiples of it: what matrix units of all vendors divide


@dataclass(frozen=True, slots=True)
class Variant:
    """What is changed (precision | experts | heads), from what to what, and the model that results."""

    what: str
    before: str
    after: str
    architecture: Architecture


def variants(arch: Architecture, precisions: tuple[str, ...], domain: int) -> tuple[Variant, ...]:
    """The changes of a model that a chip may like: each precision of its weights; experts half or twice as many
    and so much wider or narrower, or as many as divide over a scale-up domain of `domain` chips; heads half or
    twice as many and so much wider or narrower. A change that does not divide evenly is left out.
    """
    found = [
        Variant("precision", arch.weight_precision, p, replace(arch, weight_precision=p))
        for p in precisions
        if p != arch.weight_precision
    ]
    for many in dict.fromkeys(_expert_counts(arch, domain)):
        changed = _each(arch, lambda layer, many=many: _experts(layer, many))  # type: ignore[misc]
        if changed is not None:
            found.append(Variant("experts", _said_experts(arch), _said_experts(changed), changed))
    for up, down in ((2, 1), (1, 2)):
        changed = _each(arch, lambda layer, up=up, down=down: _heads(layer, up, down))  # type: ignore[misc]
        if changed is not None:
            found.append(Variant("heads", _said_heads(arch), _said_heads(changed), changed))
    return tuple(found)


def mixtures(arch: Architecture) -> Iterator[FeedForward]:
    """The mixtures of experts of the model."""
    for layer, _ in arch.layers:
        if layer.ffn is not None and layer.ffn.experts:
            yield layer.ffn


def _expert_counts(arch: Architecture, domain: int) -> Iterator[int]:
    first = next(mixtures(arch), None)
    if first is None:
        return
    yield first.experts // 2
    yield first.experts * 2
    nearest = domain * max(1, round(first.experts / domain))
    if domain > 1 and first.experts % domain and nearest <= 2 * first.experts:
        yield nearest


def _each(arch: Architecture, change: Callable[[Layer], Layer | None]) -> Architecture | None:
    """Every layer changed; None where one cannot be, or none was."""
    layers = []
    for layer, count in arch.layers:
        changed = change(layer)
        if changed is None:
            return None
        layers.append((changed, count))
    made = replace(arch, layers=tuple(layers))
    return None if made == arch else made


def _experts(layer: Layer, many: int) -> Layer | None:
    """Experts of the same total width, so many of them, as many of them active for the same active width.

    >>> mix = FeedForward(0, experts=256, top_k=8, expert_width=2048)
    >>> wide = _experts(Layer(None, mix), 128).ffn
    >>> wide.top_k, wide.expert_width
    (4, 4096)
    """
    mix = layer.ffn
    if mix is None or not mix.experts:
        return layer
    width = mix.expert_width * mix.experts / many if many else 0.0
    tiles = round(width / TILE)
    chosen = mix.top_k * many
    if tiles < 1 or chosen % mix.experts or chosen < mix.experts or abs(tiles * TILE / width - 1.0) > 0.05:
        return None
    return replace(layer, ffn=replace(mix, experts=many, top_k=chosen // mix.experts, expert_width=tiles * TILE))


def _heads(layer: Layer, up: int, down: int) -> Layer | None:
    """Heads `up`/`down` times as wide and so many fewer or more; a cache of latents keeps its size."""
    mixer = layer.attention
    if mixer is None or mixer.kind not in ("full", "window", "mla"):
        return layer
    if mixer.projections:
        return None
    sizes = (mixer.heads * down, mixer.kv_heads * down, mixer.head_dim * up, mixer.v_head_dim * up)
    if sizes[0] % up or sizes[1] % up or sizes[2] % down or sizes[3] % down or sizes[1] // up < 1:
        return None
    rope = mixer.rope_head_dim
    if mixer.kind == "mla":  # the part that carries position is shared by the heads and stays
        keys = (mixer.head_dim - rope) * up
        if keys % down:
            return None
        dim = keys // down + rope
    else:
        dim = sizes[2] // down
    fewer = replace(mixer, heads=sizes[0] // up, kv_heads=sizes[1] // up)
    return replace(layer, attention=replace(fewer, head_dim=dim, v_head_dim=sizes[3] // down))


def _said_experts(arch: Architecture) -> str:
    mix = next(mixtures(arch))
    return f"{mix.top_k} of {mix.experts} x {mix.expert_width}"


def _said_heads(arch: Architecture) -> str:
    for layer, _ in arch.layers:
        if layer.attention is not None and layer.attention.kind in ("full", "window", "mla"):
            a = layer.attention
            return f"{a.heads} x {a.head_dim} ({a.kv_heads} kv)"
    return ""
