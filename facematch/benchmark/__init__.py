"""Measuring vector search: populations of realistic embeddings, and the indexes beside plain FAISS.

Only the command line imports it. Nothing here needs a picture or a model.
"""
