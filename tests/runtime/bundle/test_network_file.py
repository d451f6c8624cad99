from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from softcore_runtime.bundle.network_file import find_network_fault


def make_model(tensor: TensorProto, where: str) -> bytes:
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])
    constant = helper.make_node("Constant", [], ["y"], value=tensor)
    plain = helper.make_node("Identity", ["t"], ["y"])
    if where == "initializer":
        graph = helper.make_graph([plain], "g", [], [output], [tensor])
    elif where == "attribute":
        graph = helper.make_graph([constant], "g", [], [output])
    elif where == "subgraph":
        inner = helper.make_graph([constant], "inner", [], [output])
        choice = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
        graph = helper.make_graph([choice], "g", [], [output])
    else:
        graph = helper.make_graph([plain], "g", [], [output])
        graph.sparse_initializer.add().values.CopyFrom(tensor)
    model = helper.make_model(graph)
    if where == "function":
        model.functions.add(name="f").node.append(constant)
    return model.SerializeToString()


@pytest.mark.parametrize("where", ["initializer", "attribute", "subgraph", "sparse", "function"])
def test_a_tensor_in_another_file_is_found_wherever_it_is(where: str) -> None:
    tensor = numpy_helper.from_array(np.ones(3, np.float32), "t")
    assert find_network_fault(make_model(tensor, where)) is None
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    assert find_network_fault(make_model(tensor, where)) == "takes numbers from another file"


def test_what_ends_early_is_said(tiny_bundle: Path) -> None:
    data = (tiny_bundle / "backbone.onnx").read_bytes()
    assert find_network_fault(data) is None
    assert onnx.load_from_string(data).graph.node
    assert find_network_fault(data[:-1]) == "is cut off or no ONNX file"
    assert find_network_fault(b"\xff" * 100) == "is cut off or no ONNX file"
    rng = np.random.default_rng(0)
    for _ in range(300):  # whatever comes, an answer
        found = find_network_fault(rng.bytes(int(rng.integers(200))))
        assert found is None or isinstance(found, str)
