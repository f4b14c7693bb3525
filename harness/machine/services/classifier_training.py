"""Trains the text classifier, quantises it, and says how often each of both is right on texts it never saw.

    python -m harness.machine.services.classifier_training FOLDER

Hashed n-grams of characters go through two layers of fixed random weights into a linear head, which alone
is learnt, by ridge regression: an extreme learning machine (Huang, Zhu and Siew, "Extreme learning machine:
theory and applications", Neurocomputing 70, 2006). It takes seconds and gives the same bytes each time. All
of it, the n-grams included, is in the ONNX graph, so that a variant in any language hands over code points
and gets a category. The harness runs it as a process of its own, lest it keep ONNX's memory and threads.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from scipy import sparse

from harness.machine.services.classifier_texts import CATEGORIES, labelled_texts

TRAINING, HELD_OUT = 4800, 2400
"""How many texts."""
BUCKETS = 4093
"""A prime: then the n-grams' linear hash is a universal one (Carter and Wegman, 1979)."""
HIDDEN = (1024, 512)
GRAMS = (2, 3, 4)
RIDGE = 0.03
SEED = 20
PRECISIONS = ("fp32", "int8")
_GRID = 4096
"""The head's weights are multiples of 1/4096: what another BLAS adds up otherwise then changes no byte."""

Array = np.ndarray[Any, np.dtype[Any]]


def main(folder: Path) -> None:
    """Write `fp32.onnx`, `int8.onnx` and `accuracy.json` into a folder."""
    logging.disable(logging.WARNING)  # advice to optimise the graph, which has nothing to optimise
    weights = hidden_weights()
    head = train(weights)
    exact, small = (folder / f"{name}.onnx" for name in PRECISIONS)
    onnx.save(classifier(weights, head), exact)
    # Seven bits: processors without VNNI add products of two eight-bit numbers up in sixteen bits, and clip.
    quantize_dynamic(exact, small, ["MatMul"], weight_type=QuantType.QInt8, reduce_range=True)
    found = {name: accuracy(folder / f"{name}.onnx") for name in PRECISIONS}
    (folder / "accuracy.json").write_text(json.dumps(found), encoding="utf-8")


def hidden_weights() -> list[Array]:
    """Return the fixed weights of the hidden layers, by He's rule for rectified units (2015)."""
    source = np.random.default_rng(SEED)
    widths = (BUCKETS, *HIDDEN)
    return [
        (source.standard_normal((rows, columns)) * np.sqrt(2 / rows)).astype(np.float32)
        for rows, columns in pairwise(widths)
    ]


def train(weights: Sequence[Array]) -> Array:
    """Return the head's weights; the last row is its bias."""
    graph = onnxruntime.InferenceSession(features().SerializeToString(), options())
    texts, labels = zip(*labelled_texts(TRAINING, SEED), strict=True)
    counts = [graph.run(["features"], {"codepoints": codepoints(text)})[0] for text in texts]
    first, second = weights
    # The n-grams of a text are few among 4093: adding up those takes a second instead of twenty.
    hidden = np.maximum(sparse.csr_matrix(np.vstack(counts).astype(np.float64)) @ first.astype(np.float64), 0)
    hidden = np.maximum(hidden @ second.astype(np.float64), 0)
    inputs = np.hstack([hidden, np.ones((len(texts), 1))])
    due = np.where(np.arange(len(CATEGORIES)) == np.array(labels)[:, None], 1.0, -1.0)
    learnt = np.linalg.solve(inputs.T @ inputs + RIDGE * np.eye(inputs.shape[1]), inputs.T @ due)
    return (np.round(learnt * _GRID) / _GRID).astype(np.float32)


def accuracy(path: Path) -> float:
    """Return the share of texts, none of which was learnt from, whose category a model finds."""
    model = onnxruntime.InferenceSession(path, options())
    held_out = list(labelled_texts(HELD_OUT, SEED + 1))
    right = sum(
        int(model.run(["category"], {"codepoints": codepoints(text)})[0][0]) == label
        for text, label in held_out
    )
    return right / len(held_out)


def codepoints(text: str) -> Array:
    """Return what the model takes; variants do the same (`apps/domain/classifier.py`)."""
    return np.array([ord(sign) for sign in text.lower()], np.int64)


def options() -> onnxruntime.SessionOptions:
    """Return options for a session that gives the same bits each time."""
    chosen = onnxruntime.SessionOptions()
    chosen.intra_op_num_threads = 1
    return chosen


class Graph:
    """Collects nodes and constants."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: Array) -> str:
        """Keep a value; return its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:  # noqa: ANN401 - ONNX's
        """Add an operation; return the name of its output."""
        name = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def model(self, output: str, kind: int, shape: Sequence[int]) -> onnx.ModelProto:
        """Return the whole."""
        taken = helper.make_tensor_value_info("codepoints", TensorProto.INT64, ["length"])
        given = helper.make_tensor_value_info(output, kind, shape)
        graph = helper.make_graph(self.nodes, "classifier", [taken], [given], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        onnx.checker.check_model(model)
        return model


def features() -> onnx.ModelProto:
    """Return the first part of the graph alone."""
    graph = Graph()
    _features(graph)
    return graph.model("features", TensorProto.FLOAT, [1, BUCKETS])


def classifier(weights: Sequence[Array], head: Array) -> onnx.ModelProto:
    """Return the whole graph, with the categories' names among its metadata."""
    graph = Graph()
    layer = _features(graph)
    for each in weights:
        layer = graph.add("Relu", graph.add("MatMul", layer, graph.constant(each)))
    scores = graph.add("MatMul", layer, graph.constant(head[:-1]))
    scores = graph.add("Add", scores, graph.constant(head[-1]))
    graph.add("ArgMax", scores, output="category", axis=1, keepdims=0)
    model = graph.model("category", TensorProto.INT64, [1])
    helper.set_model_props(model, {"categories": json.dumps(CATEGORIES)})
    return model


def _features(graph: Graph) -> str:
    """Add what turns code points into a vector of length 1: the roots of the n-grams' shares, by bucket."""
    space = graph.constant(np.array([32], np.int64))
    signs = graph.add("Concat", space, "codepoints", space, axis=0)
    prime = graph.constant(np.array([BUCKETS], np.int64))
    source = np.random.default_rng(SEED)
    hashed = []
    for length in GRAMS:
        total = graph.constant(np.array([source.integers(BUCKETS)], np.int64))
        for place, factor in enumerate(source.integers(1, BUCKETS, length)):
            begin = graph.constant(np.array([place], np.int64))
            end = graph.constant(np.array([place - length + 1 or np.iinfo(np.int64).max], np.int64))
            part = graph.add("Slice", signs, begin, end)
            weighted = graph.add("Mul", part, graph.constant(np.array([factor], np.int64)))
            total = graph.add("Add", total, weighted)
        hashed.append(graph.add("Mod", total, prime))
    buckets = graph.add("Concat", *hashed, axis=0)
    one = graph.constant(np.array([1], np.float32))
    ones = graph.add("Expand", one, graph.add("Shape", buckets))
    none = graph.constant(np.zeros(BUCKETS, np.float32))
    counts = graph.add("ScatterElements", none, buckets, ones, axis=0, reduction="add")
    shares = graph.add("Div", counts, graph.add("ReduceSum", ones))
    first = graph.constant(np.array([0], np.int64))
    return graph.add("Unsqueeze", graph.add("Sqrt", shares), first, output="features")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
