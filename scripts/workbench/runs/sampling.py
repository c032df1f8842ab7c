"""The order of training examples: examples of like length share a batch."""

import itertools
import math
from collections.abc import Sequence

import torch
from torch.utils.data import Sampler

MEGABATCH = 50


class LengthGroupedSampler(Sampler):
    """Shuffles, then puts examples of like length into the same batch; the order depends on seed and epoch alone.

    transformers' own draws from the global random state, so that a run resumed in mid-epoch would see other batches.
    The last batch is filled up from the epoch's first, as accelerate does where several processes share a batch: so
    one process sees the same batches as many.

    Args:
        lengths: of each example, in symbols.
        batch_size: examples per optimiser step.
        seed: fixes the order; `set_epoch` changes it from epoch to epoch.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int):
        self.lengths = torch.as_tensor(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(len(self.lengths) / self.batch_size) * self.batch_size

    def __iter__(self):
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        shuffled = torch.randperm(len(self.lengths), generator=generator)
        batches: list[torch.Tensor] = []
        for megabatch in shuffled.split(MEGABATCH * self.batch_size):
            by_length = megabatch[self.lengths[megabatch].argsort(stable=True)]
            batches += by_length.split(self.batch_size)
        # An incomplete batch goes last: sampling into batches happens after us.
        whole = [batch for batch in batches if len(batch) == self.batch_size]
        rest = [batch for batch in batches if len(batch) < self.batch_size]
        order = torch.randperm(len(whole), generator=generator).tolist()
        examples = torch.cat([whole[index] for index in order] + rest).tolist()
        yield from itertools.islice(itertools.cycle(examples), len(self))
