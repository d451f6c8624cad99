"""What an export is made of has an example in its docstring, which prints what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import softcore_runtime
import torch
from softcore_export import export as export_module
from softcore_export import settings, train
from softcore_export.acceptance import taught_parts
from softcore_export.contamination import choices, look_estimate, look_order
from softcore_export.contamination.choices import Choices
from softcore_export.data import confirmed_images, dataset, training_set
from softcore_export.data.dataset import TrainingImages
from softcore_export.export import Export, PreparedExport
from softcore_export.memory_bank import (
    coreset,
    counterexamples,
    discriminator,
    floors,
    leave_one_out,
    memory_bank,
)
from softcore_export.memory_bank.memory_bank import MemoryBank
from softcore_export.resolution import separation
from softcore_export.review import outcome
from softcore_export.settings import ExportSettings

from ..examples import find_documented, has_example, type_example

PUBLIC = {
    name: thing
    for module in (export_module, train, memory_bank, discriminator, coreset)
    for name, thing in find_documented(module).items()
}
EXAMPLES = PUBLIC | {
    name: thing
    for module in (
        choices,
        confirmed_images,
        counterexamples,
        dataset,
        floors,
        leave_one_out,
        look_estimate,
        look_order,
        outcome,
        separation,
        settings,
        taught_parts,
        training_set,
    )
    for name, thing in find_documented(module).items()
    if has_example(thing)
}


def _learn() -> MemoryBank:
    """Learn a memory bank from random features: 10 images on a 4 x 4 grid."""
    features = np.random.default_rng(0).random((10, 16, 8), np.float32)
    return train.fit(features, (4, 4), ExportSettings(discriminator="lof"), torch.device("cpu"))


@pytest.mark.parametrize("name", PUBLIC)
def test_what_is_public_has_an_example(name: str) -> None:
    assert has_example(PUBLIC[name])


@pytest.mark.usefixtures("quick_network")
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_prints_what_it_says(
    name: str, exported: Export, prepared: PreparedExport, discs: Path, small: ExportSettings, target: Path
) -> None:
    module = vars(__import__(EXAMPLES[name].__module__, fromlist=["_"]))
    known: dict[str, Any] = {**vars(softcore_runtime), **module}
    known.update(exported=exported, prepared=prepared, discs=discs, small=small, target=target)
    known.update(Choices=Choices, TrainingImages=TrainingImages, learned=_learn())
    known.update(find_confirmed=confirmed_images.find_confirmed)
    assert not type_example(name, EXAMPLES[name], known)
