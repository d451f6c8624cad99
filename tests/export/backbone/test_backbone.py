from __future__ import annotations

import hashlib
import io
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

import cv2
import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter
from softcore_export.backbone import backbone
from softcore_export.backbone.backbone import PatchFeatures, coarsen_grid, load_backbone
from softcore_export.backbone.catalogue import FILTERBANK
from softcore_runtime import UsageError, read_image
from torch import Tensor, nn

SHARED = Path(__file__).parents[4] / "shared"
State = dict[str, Tensor]


@pytest.fixture(scope="module")
def resnet() -> nn.Module:
    """A ResNet-18 with random weights and statistics."""
    torch.manual_seed(0)
    network = torchvision.models.resnet18(weights=None).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.8, 1.2)
    return network


@pytest.fixture
def state(resnet: nn.Module) -> State:
    """Its weights, cut off after layer3."""
    return {
        name: value
        for name, value in resnet.state_dict().items()
        if not name.startswith(("layer4", "fc"))
    }  # fmt: skip


@pytest.fixture
def file(state: State, tmp_path: Path) -> Path:
    torch.save(state, tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


def refusal(weights: Path, name: str = "resnet18") -> str:
    """What is said of weights that won't do."""
    with pytest.raises(UsageError) as raised:
        load_backbone(name, weights, crop=64)
    message = str(raised.value)
    assert message.startswith(f"--weights {weights}: ")
    assert len(message.splitlines()) == 1
    return message


class Fake(nn.Module):
    """A network whose maps are known: the input's averages over cells, and a mix of its channels."""

    def __init__(self, fine: int, coarse: int) -> None:
        super().__init__()
        self.fine, self.coarse = fine, coarse

    def forward(self, rgb: Tensor) -> dict[str, Tensor]:
        first = nn.functional.adaptive_avg_pool2d(rgb, self.fine)
        second = nn.functional.adaptive_avg_pool2d(rgb, self.coarse)
        return {"fine": first, "coarse": torch.cat([second, 2 * second[:, :1] - second[:, 2:]], dim=1)}


def by_hand(crop: np.ndarray, fine: int, coarse: int) -> np.ndarray:
    """The same from the design's words, with numpy, SciPy and OpenCV: `[P, d]`, one crop."""
    rgb = crop[:, :, ::-1].astype(float) / 255
    rgb = (rgb - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    side = len(crop)

    def cells(n: int) -> np.ndarray:
        return rgb.reshape(n, side // n, n, side // n, 3).mean(axis=(1, 3))

    def average(layer: np.ndarray) -> np.ndarray:
        return np.asarray(uniform_filter(layer, size=(3, 3, 1), mode="constant", cval=0))

    second = cells(coarse)
    second = np.concatenate([second, 2 * second[:, :, :1] - second[:, :, 2:]], axis=2)
    second = cv2.resize(average(second), (fine, fine), interpolation=cv2.INTER_LINEAR)
    return np.concatenate([average(cells(fine)), second], axis=2).reshape(fine * fine, 7)


@pytest.mark.parametrize(("side", "fine", "coarse"), [(32, 8, 4), (48, 12, 4), (42, 7, 3), (32, 4, 4)])
def test_patch_features_are_as_by_hand(side: int, fine: int, coarse: int) -> None:
    crops = np.random.default_rng(0).integers(256, size=(3, side, side, 3), dtype=np.uint8)
    with torch.no_grad():
        features = PatchFeatures(Fake(fine, coarse))(torch.from_numpy(crops)).numpy()
    assert (features.shape, features.dtype) == ((3, fine * fine, 7), np.float32)
    for found, crop in zip(features, crops, strict=True):
        np.testing.assert_allclose(found, by_hand(crop, fine, coarse), atol=1e-4)


def test_layers_are_those_of_the_whole_network(resnet: nn.Module, file: Path) -> None:
    seen: dict[str, Tensor] = {}
    hooks = [
        getattr(resnet, name).register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out}))
        for name in ("layer2", "layer3")
    ]
    rgb = torch.randn(2, 3, 64, 64)
    loaded = load_backbone("resnet18", file, crop=64)
    with torch.no_grad():
        resnet(rgb)
        maps = loaded.network.network(rgb)
        features = loaded.network(torch.zeros(1, 64, 64, 3, dtype=torch.uint8))
    for hook in hooks:
        hook.remove()
    assert list(maps) == ["layer2", "layer3"]
    for name, values in maps.items():
        torch.testing.assert_close(values, seen[name])
    assert features.shape == (1, 64, 128 + 256)
    assert loaded.layers == ("layer2", "layer3")
    assert loaded.name == "resnet18"
    assert loaded.weights_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert not loaded.network.training


def test_other_layers_and_whole_weights(resnet: nn.Module, tmp_path: Path) -> None:
    torch.save(resnet.state_dict(), tmp_path / "whole.pth")
    loaded = load_backbone("resnet18", tmp_path / "whole.pth", ("layer1", "layer4.1.conv2"), crop=64)
    with torch.no_grad():
        assert loaded.network(torch.zeros(1, 64, 64, 3, dtype=torch.uint8)).shape == (1, 256, 64 + 512)
    assert loaded.layers == ("layer1", "layer4.1.conv2")


def test_counters_of_batches_may_be_missing(state: State, tmp_path: Path) -> None:
    fewer = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    assert len(fewer) < len(state)
    torch.save(fewer, tmp_path / "weights.pth")
    load_backbone("resnet18", tmp_path / "weights.pth", crop=64)


@pytest.mark.parametrize("name", ["conv1.weight", "layer3.1.bn2.running_var", "layer2.0.downsample.0.weight"])
def test_a_missing_weight_of_a_used_layer_is_named(state: State, tmp_path: Path, name: str) -> None:
    del state[name]
    torch.save(state, tmp_path / "weights.pth")
    assert f" {name} is missing" in refusal(tmp_path / "weights.pth")


def test_another_networks_weights(file: Path, resnet: nn.Module, tmp_path: Path) -> None:
    assert "layer" in refusal(file, "resnet34")  # has more blocks
    said = refusal(file, "wide_resnet50_2")
    assert "missing" in said or "another network's" in said
    state = resnet.state_dict()
    state["layer2.0.conv1.weight"] = torch.zeros(128, 64, 5, 5)
    torch.save(state, tmp_path / "other.pth")
    said = refusal(tmp_path / "other.pth")
    assert "layer2.0.conv1.weight is [128, 64, 5, 5], this network needs [128, 64, 3, 3]" in said
    assert "another network's" in said


def _zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a/data.pkl"), b"no pickle")  # of no date: its bytes name a test
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\n", b"this is no state dict\n", b"{}", b"import os", b"<!DOCTYPE html><html></html>",
        bytes(range(256)), b"\x80\x02.", b"\x80\x04]q\x00.", b"cos\nsystem\n(S'true'\ntR.", _zip(),
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    ],
    ids=lambda content: str(content[:12]),
)  # fmt: skip
def test_a_file_that_holds_no_weights(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "weights.pth").write_bytes(content)
    assert "state dict" in refusal(tmp_path / "weights.pth")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_bytes_crash_it(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Anything, and weights that were damaged on the way."""
    small = io.BytesIO()
    torch.save({"conv1.weight": torch.zeros(2)}, small)
    whole = small.getvalue()
    content = data.draw(
        st.one_of(
            st.binary(max_size=60),
            st.text(max_size=60).map(str.encode),
            st.integers(0, len(whole) - 1).map(lambda end: whole[:end]),
            st.tuples(st.integers(0, len(whole) - 1), st.binary(min_size=1, max_size=8)).map(
                lambda at: whole[: at[0]] + at[1] + whole[at[0] + len(at[1]) :]
            ),
        )
    )
    path = tmp_path_factory.getbasetemp() / "any.pth"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"^--weights .*any\.pth: .") as raised:
        backbone._load_weights(nn.BatchNorm2d(3), path)
    assert len(str(raised.value).splitlines()) == 1


def test_an_image_is_no_weights(discs: Path) -> None:
    assert "not a PyTorch state dict" in refusal(discs / "disc" / "00.png")


def test_a_truncated_download(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1000])
    assert "not a PyTorch state dict" in refusal(file)


def weights_of(loaded: backbone.LoadedBackbone) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in loaded.network.network.state_dict().items()}


def prefix(state: State, text: str) -> State:
    return {text + name: value for name, value in state.items()}


@pytest.mark.parametrize(
    ("wrap", "said"),
    [
        (lambda state: prefix(state, "module."), "names are read without module."),
        (lambda state: {"state_dict": state, "epoch": 3, "optimizer": {"lr": 0.1}}, "state_dict is taken"),
        (lambda state: {"model": {"state_dict": state}, "epoch": 3}, "state_dict of model is taken"),
        (
            lambda state: {"model_state_dict": prefix(state, "module.backbone."), "loss": 0.1},
            "model_state_dict is taken, names are read without module.backbone.",
        ),
        (lambda state: {name: value.half() for name, value in state.items()}, None),
        (lambda state: {name: value.double() for name, value in state.items()}, None),
        (lambda state: {name: value.bfloat16() for name, value in state.items()}, None),
    ],
    ids=["module", "checkpoint", "twice", "both", "half", "double", "bfloat16"],
)
def test_weights_may_be_wrapped_and_of_any_precision(
    state: State,
    file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    wrap: Callable[[State], object],
    said: str | None,
) -> None:
    plain = weights_of(load_backbone("resnet18", file, crop=64))
    torch.save(wrap(state), tmp_path / "wrapped.pth")
    capsys.readouterr()
    found = weights_of(load_backbone("resnet18", tmp_path / "wrapped.pth", crop=64))
    line = capsys.readouterr().err
    assert line == (f"--weights {tmp_path / 'wrapped.pth'}: {said}\n" if said else "")
    assert {value.dtype for name, value in found.items() if "num_batches" not in name} == {
        np.dtype(np.float32)
    }
    for name, value in plain.items():
        tolerance = 1e-2 if said is None else 0
        np.testing.assert_allclose(found[name], value, rtol=tolerance, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda value: value.fill_(float("nan")),
            "holds NaN or infinity; the file is damaged, or its training",
        ),
        (lambda value: value[:1].fill_(float("inf")), "holds NaN or infinity; the file is damaged, or its"),
        (lambda value: value.neg_(), "holds a negative variance; the file is damaged"),
    ],
)
def test_weights_that_are_no_numbers_are_the_files_fault(
    state: State, tmp_path: Path, change: Callable[[Tensor], Tensor], said: str
) -> None:
    """With NaN in them the export blamed the engine: "features differ from torch's by nan"."""
    value = state["layer2.0.bn1.running_var"].clone()
    change(value)
    torch.save({**state, "layer2.0.bn1.running_var": value}, tmp_path / "weights.pth")
    assert f" layer2.0.bn1.running_var {said}" in refusal(tmp_path / "weights.pth")


def test_weights_of_whole_numbers_and_of_several_networks(state: State, tmp_path: Path) -> None:
    torch.save({**state, "conv1.weight": state["conv1.weight"].to(torch.int8)}, tmp_path / "whole.pth")
    assert "conv1.weight is int8; save the network in floating point" in refusal(tmp_path / "whole.pth")
    both = {**prefix(state, "teacher."), **prefix(state, "student.")}
    torch.save(both, tmp_path / "both.pth")
    said = refusal(tmp_path / "both.pth")
    assert "holds several networks (student., teacher.); save the state dict of one" in said
    del both["teacher.conv1.weight"]
    torch.save(both, tmp_path / "one.pth")
    load_backbone("resnet18", tmp_path / "one.pth", crop=64)


@pytest.mark.parametrize("wrong", [{"state_dict": {}, "epoch": 3}, [torch.zeros(2)], torch.zeros(2), 3])
def test_a_checkpoint_with_more_in_it(tmp_path: Path, wrong: object) -> None:
    torch.save(wrong, tmp_path / "checkpoint.pth")
    assert "not a state dict of tensors" in refusal(tmp_path / "checkpoint.pth")


def test_a_whole_module_is_refused_not_run(tmp_path: Path, resnet: nn.Module) -> None:
    torch.save(resnet, tmp_path / "module.pth")
    assert "not a PyTorch state dict alone: it holds Python objects" in refusal(tmp_path / "module.pth")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        torch.jit.script(nn.ReLU()).save(str(tmp_path / "script.pt"))
    assert "not a PyTorch state dict" in refusal(tmp_path / "script.pt")


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "nowhere.pth")
    assert "directory" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["resnet19", "", "ResNet", "fasterrcnn_resnet50_fpn", "../resnet18"])
def test_an_unknown_network(name: str, file: Path) -> None:
    with pytest.raises(UsageError, match=f"--backbone {name}: no such network; "):
        load_backbone(name, file)


def test_an_unknown_layer_names_those_that_are_there(file: Path) -> None:
    with pytest.raises(UsageError, match=r"--layers layer5: .* it has .*layer1, layer2, layer3, layer4"):
        load_backbone("resnet18", file, ("layer2", "layer5"), crop=64)
    with pytest.raises(UsageError, match=r"--layers layer: "):  # a mere prefix
        load_backbone("resnet18", file, ("layer",), crop=64)


@pytest.mark.parametrize(
    ("name", "layer"), [("resnet18", "flatten"), ("resnet18", "fc"), ("swin_t", "features.1")]
)
def test_a_layer_that_is_no_feature_map(name: str, layer: str, file: Path) -> None:
    """Swin's are channels last: their first two axes would be taken for the grid."""
    with pytest.raises(UsageError, match=rf"--layers {layer}: not a feature map, its output is \["):
        load_backbone(name, file, (layer,), crop=64)


def test_a_network_that_takes_no_such_input(file: Path) -> None:
    with pytest.raises(UsageError, match="vit_b_16 takes no input of 64 pixels"):
        load_backbone("vit_b_16", file, ("encoder",), crop=64)


def test_the_filter_bank_needs_nothing(file: Path) -> None:
    loaded = load_backbone(FILTERBANK, crop=64)
    assert (loaded.name, loaded.weights_sha256) == ("filterbank", None)
    with torch.no_grad():
        assert loaded.network(torch.zeros(1, 64, 64, 3, dtype=torch.uint8)).shape[:2] == (1, 64)
    with pytest.raises(UsageError, match="filterbank has fixed filters"):
        load_backbone(FILTERBANK, file)
    with pytest.raises(UsageError, match="no --layers"):
        load_backbone(FILTERBANK, None, ("layer2",))


@pytest.mark.parametrize("error", [URLError("no route"), TimeoutError("no route"), RuntimeError("no route")])
def test_without_a_download_there_are_other_ways(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise error

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(UsageError) as raised:
        load_backbone("resnet18", crop=64)
    for words in ("resnet18", "(no route)", "--weights FILE", "--backbone filterbank"):
        assert words in str(raised.value)
    assert "<" not in str(raised.value)  # not urllib's own <urlopen error ...>


def test_the_first_recipes_weights_are_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """PatchCore and SoftPatch were published with them; torchvision's later ones make other features."""
    name = "resnet50"  # has both
    asked = []

    def download(url: str, file: str, *_arguments: object, **_options: object) -> None:
        asked.append(url)
        torch.save(torchvision.models.get_model(name, weights=None).state_dict(), file)

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    loaded = load_backbone(name, crop=64)
    assert asked == [torchvision.models.get_model_weights(name).IMAGENET1K_V1.url]
    (cached,) = tmp_path.rglob("*.pth")
    assert loaded.weights_sha256 == hashlib.sha256(cached.read_bytes()).hexdigest()
    load_backbone(name, crop=64)
    assert len(asked) == 1  # found in the cache


def test_real_weights_see_where_a_defect_is(draw_disc: Callable[..., np.ndarray]) -> None:
    weights = SHARED / "weights" / "resnet18-imagenet-to-layer3.pth"
    images = SHARED / "data" / "pill" / "train" / "good"
    if not weights.exists() or not images.exists():
        pytest.skip(f"needs the real images and weights, which aren't published: {SHARED}")
    loaded = load_backbone("resnet18", weights, crop=224)
    crop = cv2.resize(read_image(sorted(images.iterdir())[0]), (224, 224), interpolation=cv2.INTER_AREA)
    spoiled = crop.copy()
    spoiled[96:128, 128:160] = draw_disc(0)[:32, :32]  # cells 12 to 15 down, 16 to 19 across
    with torch.no_grad():
        features = loaded.network(torch.from_numpy(np.stack([crop, spoiled]))).numpy()
    assert features.shape == (2, 28 * 28, 384)
    row, column = divmod(int(np.linalg.norm(features[0] - features[1], axis=1).argmax()), 28)
    assert 11 <= row <= 16
    assert 15 <= column <= 20


def test_layers_come_finest_first_in_whatever_order_they_are_asked_for(file: Path) -> None:
    asked = load_backbone("resnet18", file, ("layer3", "layer2"), crop=64)
    usual = load_backbone("resnet18", file, crop=64)
    assert asked.layers == usual.layers == ("layer2", "layer3")
    crops = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
    with torch.no_grad():
        torch.testing.assert_close(asked.network(crops), usual.network(crops), rtol=0, atol=0)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 20), st.data())
def test_a_coarser_grid_averages_over_areas(side: int, data: st.DataObject) -> None:
    """As OpenCV does, also where cells hold parts of patches."""
    coarse = data.draw(st.integers(1, side))
    features = np.random.default_rng(side).random((side, side, 3), np.float32)
    network = coarsen_grid(nn.Identity(), side, coarse)
    with torch.no_grad():
        found = network(torch.from_numpy(features.reshape(1, -1, 3))).numpy()
    expected = cv2.resize(features, (coarse, coarse), interpolation=cv2.INTER_AREA)
    assert found.shape == (1, coarse**2, 3)
    assert found[0] == pytest.approx(expected.reshape(-1, 3), abs=1e-5)
