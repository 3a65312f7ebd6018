"""Vector indexes: inner-product search over unit vectors under stable int64 ids.

:class:`~facematch.index.exact.ExactIndex` is the oracle, :class:`~facematch.index.flat.FaissFlatIndex` the default.
Both give the same scores and the same order, ties included. Import them from their modules: this package stays free of
FAISS.
"""
