"""Vector indexes: inner-product search over unit vectors under stable int64 ids, while they change.

=======================================================  ==========================================================
:class:`~facematch.index.exact.ExactIndex`               the same answers at the speed of the machine's matrix product
:class:`~facematch.index.approximate.ApproximateIndex`  the default: exact while that is quick, then codes of FAISS
:class:`~facematch.index.milvus.MilvusIndex`             galleries beyond memory, in Milvus
=======================================================  ==========================================================

Import them from their modules: this package stays free of FAISS.
"""
