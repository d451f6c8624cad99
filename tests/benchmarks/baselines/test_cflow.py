from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from softcore_benchmarks.baselines.cflow import Cflow, CflowError, Environment
from softcore_benchmarks.protocol.cells import compute_cell
from softcore_benchmarks.protocol.experiments import Experiment

from ..conftest import ANOMALIB

installed = pytest.mark.skipif(not ANOMALIB.is_file(), reason="needs anomalib's environment: make anomalib")

# anomalib's CFLOW on its own, as its documentation has it.
BY_THE_LIBRARY = """
import json, sys
import numpy as np, torch
from anomalib.models.image.cflow.torch_model import CflowModel
job = json.loads(sys.argv[1])
model = CflowModel("resnet18", ["layer2", "layer3"], pre_trained=False, fiber_batch_size=10_000)
model.encoder.feature_extractor.load_state_dict(torch.load(job["weights"], weights_only=True), strict=False)
model.decoders.load_state_dict(torch.load(job["state"], weights_only=True))
images = torch.from_numpy(np.load(job["crops"])).permute(0, 3, 1, 2)[:, [2, 1, 0]].float() / 255
mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
normal = (images - mean[:, None, None]) / deviation[:, None, None]
np.save(job["maps"], model(normal).anomaly_map.squeeze(1).numpy())
"""


@installed
def test_it_is_the_librarys(experiment: Experiment, tmp_path: Path) -> None:
    learned = Cflow.fit(experiment.cflow, experiment.train.crops, seed=0)
    maps = learned.score(experiment.test.crops)
    assert maps.shape == (len(experiment.test), 64, 64)

    (tmp_path / "state").write_bytes(learned.state)
    np.save(tmp_path / "crops.npy", experiment.test.crops)
    job = {name: str(tmp_path / name) for name in ("state", "crops.npy", "maps.npy")}
    job = {key.split(".")[0]: path for key, path in job.items()} | {"weights": str(experiment.cflow.weights)}
    subprocess.run([ANOMALIB, "-c", BY_THE_LIBRARY, json.dumps(job)], check=True, capture_output=True)
    np.testing.assert_allclose(maps, np.load(tmp_path / "maps.npy"), rtol=1e-3, atol=1e-4)


@installed
def test_training_changes_the_flows_and_is_repeatable(experiment: Experiment, tmp_path: Path) -> None:
    states = []
    for steps in (20, 20, 60):
        environment = Environment(ANOMALIB, "resnet18", experiment.cflow.weights, steps=steps, fiber_batch=64)
        (tmp_path / "state").write_bytes(Cflow.fit(environment, experiment.train.crops, seed=0).state)
        state = torch.load(tmp_path / "state", weights_only=True)
        states.append(torch.cat([value.float().ravel() for value in state.values()]))
    torch.testing.assert_close(states[0], states[1])
    assert (states[0] - states[2]).abs().max() > 1e-4


@installed
def test_it_makes_a_cell(experiment: Experiment) -> None:
    cell = compute_cell(experiment, 0.1, "padim-star-denoised-cflow")
    figures = cell.figures["PaDiM*-denoised CFLOW"]["overlap"]
    assert figures.image_auroc is not None
    assert figures.pixel_auroc is not None
    assert cell.settings["CFLOW"] == "60 steps of 64 positions"


@installed
def test_what_fails_is_told(experiment: Experiment, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pth"
    torch.save({"conv1.weight": torch.zeros(3)}, wrong)
    with pytest.raises(CflowError, match=r"(?s)CFLOW failed: .*conv1"):
        Cflow.fit(Environment(ANOMALIB, "resnet18", wrong), experiment.train.crops, 0)
    Cflow.fit(experiment.cflow, experiment.train.crops, 0)  # and the process goes on


def test_a_process_that_ends_is_told(experiment: Experiment, tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'No module named anomalib' >&2\n")
    broken.chmod(0o755)
    with pytest.raises(CflowError, match="ended: No module named anomalib"):
        Cflow.fit(Environment(broken, "resnet18", None), experiment.train.crops, 0)
