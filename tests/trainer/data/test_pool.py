"""Documents of a pool: their own segment once, among others that hold no answer to its questions."""

from random import Random

import pytest

from trainer.data.pool import Pool
from trainer.data.samples import Samples


@pytest.mark.parametrize("distracting", [False, True])
def test_a_document_from_a_pool_holds_its_own_segment_once(training_samples: Samples, distracting: bool) -> None:
    keyed, plain = training_samples.passkey_pool(Random(5), [50] * 8, 3, "ko")
    pool = Pool(keyed, plain, [2] * 8, distracting)
    seen: set[int] = set()
    sizes = set()
    for seed in range(80):
        order = pool.document(Random(seed), 1, 5)
        assert order.count(1) == 1
        sizes.add(len(order))
        seen |= set(order)
    assert sizes == {1, 2, 3, 4, 5}
    assert seen == ({0, 1, 2, 3, 4, 5, 6, 7} if distracting else {1, 3, 4, 5, 6, 7})
    assert Pool(keyed[:1], [], [2]).document(Random(1), 0, 9) == [0]
