"""The text that ships with everysum: nursery stories and rhymes of our own, made by a small grammar of ours."""

from __future__ import annotations

from everysum.data.nursery.book import nursery_text_path

__all__ = ["nursery_text_path"]
