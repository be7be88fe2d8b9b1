"""Hugging Face's names for what we compute: one table a published family, and folders that other programs open too.

The list of families is closed, and a configuration only fills in numbers: it never selects code.
"""
