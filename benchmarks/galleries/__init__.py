"""Notebooks that others wrote, run through the record of cells and its cache (``benchmarks/galleries.py``)."""
