"""Matrix products in the calling thread, so that a search can share its work out as it likes.

NumPy's own BLAS spreads each product over all cores and waits for the slowest; on a machine that does something else
as well, most of the time is spent waiting. ONNX Runtime's product runs where it is called, and so does FAISS's of one
vector with many, which is the quicker one for a single query.
"""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np

from facematch.types import FloatArray

__all__ = ["multiply"]

_SMALL = 1 << 13
"""Multiplications below which NumPy's product is called instead: it starts sooner, and does not spread those few."""


class _Session:
    """The one-node session of this process, made when it is first needed; safe to run from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: Any = None

    def renew_lock(self) -> None:
        self._lock = threading.Lock()  # the old one may be held by a thread that the fork has not taken along

    def get(self) -> Any:
        if self._made is None:
            with self._lock:
                if self._made is None:
                    self._made = _session()
        return self._made


def _session() -> Any:
    import onnxruntime
    from onnx import TensorProto, helper

    def matrix(name: str, *shape: str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        [helper.make_node("MatMul", ["rows", "columns"], ["products"])],
        "products",
        [matrix("rows", "n", "d"), matrix("columns", "d", "q")],
        [matrix("products", "n", "q")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


_SESSION = _Session()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_SESSION.renew_lock)


def multiply(rows: FloatArray, columns: FloatArray, out: FloatArray) -> None:
    """``out = rows @ columns``, in the calling thread.

    Args:
        rows: ``(N, D)`` ``float32``, contiguous.
        columns: ``(D, Q)`` ``float32``, contiguous.
        out: ``(N, Q)`` ``float32``, contiguous.
    """
    if rows.shape[0] * columns.size < _SMALL:
        np.matmul(rows, columns, out=out)
        return
    if columns.shape[1] == 1:
        _multiply_one(rows, columns, out)
        return
    session = _SESSION.get()
    binding = session.io_binding()
    for name, array in (("rows", rows), ("columns", columns)):
        binding.bind_input(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
    binding.bind_output("products", "cpu", 0, np.float32, out.shape, out.ctypes.data)
    session.run_with_iobinding(binding)


def _multiply_one(rows: FloatArray, column: FloatArray, out: FloatArray) -> None:
    import faiss  # when it is needed: an index without approximate search starts without it

    products: Any = vars(faiss)["fvec_inner_products_ny"]  # by name: FAISS's types do not know it
    products(faiss.swig_ptr(out), faiss.swig_ptr(column), faiss.swig_ptr(rows), rows.shape[1], len(rows))
