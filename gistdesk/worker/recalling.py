"""What did a gist keep? The loaded model is asked for the document's facts, one after another.

The core draws and asks facts; knows nothing of the library or of what becomes of the figures.
"""

import time
from pathlib import Path
from random import Random

from gistdesk.core.gist_file import check_identity, read_gist
from gistdesk.core.recall import AskedFact, ask_back, draw_facts, summary
from gistdesk.protocol import FactCount, Recall, RecallDone, RecallProgress
from gistdesk.worker.keeper import Keeper
from gistdesk.worker.layers import layers_watched
from gistdesk.worker.pulse import Pulse
from gistdesk.worker.texts import kept_document

_LEAST_FACTS = 5
"""Asked however long it takes; fewer would say nothing."""


def recall(request: Recall, keeper: Keeper, pulse: Pulse) -> RecallDone:
    """Ask back up to `request.n_facts`, in an order unrelated to their position.

    Raises:
        UserError: there are no facts in the text, or gist, text or model is unusable.
        Stopped: no longer wanted.
    """
    model = keeper.load(request.choice).model
    facts = draw_facts(kept_document(Path(request.text_path)).pages, n=request.n_facts)
    record = read_gist(Path(request.gist))
    check_identity(record, model.identity)
    Random(0).shuffle(facts)
    asked: list[AskedFact] = []
    begun = time.perf_counter()
    with layers_watched(model, lambda _: pulse()):
        for one in ask_back(model, record.gist, facts):
            asked.append(one)
            pulse(RecallProgress(len(asked), len(facts)))
            is_late = 0 < request.budget_s < time.perf_counter() - begun
            if is_late and len(asked) >= _LEAST_FACTS:
                break
    figures = summary(asked)
    return RecallDone(
        n=figures["n"],
        kept=figures["kept"],
        low=figures["low"],
        high=figures["high"],
        guessed=figures["guessed"],
        by_depth=tuple(FactCount(part["n"], part["kept"]) for part in figures["by_depth"]),
    )
