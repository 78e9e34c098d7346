"""The starter's recipe, as plain values. Knows nothing of what they do."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StarterConfig:
    """The recipe. The shipped starter was made with these values.

    Attributes:
        steps: optimizer steps.
        tokens_per_step: document tokens per step, about.
        learning_rate: peak, of AdamW for embeddings, norms and gist rows.
        matrix_rate: peak, of Muon for every weight matrix and LoRA factor.
        warmup_steps: steps of linear warm-up.
        settle_step: from here on the rates are below half: copying is learned and has to become exact.
        words_step: from here on half of the facts have any words of running text as values. Before, digits were
            copied from the full text and no word was: the lists of names and places had been learned instead.
        long_step: from here on facts are asked of segments and texts of any length and among others', whatever their
            accuracy, which would have kept them short to the end.
        fall_share: the last share of the steps, in which the rates fall to nothing.
        rank: of the LoRA factors.
        text_weight: of language modelling on full-text steps, beside the answer loss.
        korean_share: of the samples; Korean is learned more slowly, from a twentieth of the text.
        seed: of weights and data.
        device: "cpu" or "cuda".
        threads: CPU threads.
        checkpoint_s: seconds between checkpoints.
        keep_checkpoints: older ones are deleted.
        report_steps: steps between progress events.
    """

    steps: int = 8000
    tokens_per_step: int = 2048
    learning_rate: float = 9e-4
    matrix_rate: float = 1.8e-3
    warmup_steps: int = 150
    settle_step: int = 800
    words_step: int = 2600
    long_step: int = 5800
    fall_share: float = 0.5
    rank: int = 64
    text_weight: float = 0.3
    korean_share: float = 0.6
    seed: int = 20261121
    device: str = "cpu"
    threads: int = 2
    checkpoint_s: float = 240.0
    keep_checkpoints: int = 2
    report_steps: int = 50
