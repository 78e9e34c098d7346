"""How a gist file describes itself, for people and other programs. Knows nothing of the model that made it."""

from pathlib import Path
from typing import Any

from gistdesk.core.gist import GistKV
from gistdesk.core.gist_file import read_gist


def describe_gist(path: Path) -> dict[str, Any]:
    """A gist file's description of itself."""
    record = read_gist(path)
    gist = record.gist
    return {
        "title": record.title,
        "method": record.method,
        "n_unfitted": gist.n_unfitted,
        "n_tokens": gist.n_tokens,
        "n_slots": gist.n_slots,
        "ratio": round(gist.ratio, 2),
        "n_segments": len(gist.segments),
        "segment_tokens": record.segment_tokens,
        "n_pages": len(record.page_starts),
        **agreement(gist),
        "kv_bits": record.kv_bits,
        "kv_bytes": gist.kv_bytes,
        "file_bytes": path.stat().st_size,
        "dtype": str(gist.kv.dtype).removeprefix("torch."),
        "model_id": record.identity.model_id,
        "model_fingerprint": record.identity.model_fingerprint,
        "tokenizer_fingerprint": record.identity.tokenizer_fingerprint,
        "adapter_fingerprint": record.identity.adapter_fingerprint,
        "source_sha256": record.source_sha256,
        "created": record.created,
    }


def agreement(gist: GistKV) -> dict[str, Any]:
    """How much of its text a trained gist recites, and how much before training."""
    trained = gist.refined
    return {"agreement": round(trained.after, 4), "agreement_before": round(trained.before, 4)} if trained else {}
