"""Parquet files of prompts as pyarrow writes them: row groups, pages with an index, codecs, and values that are no prompt."""

from . import store


def write() -> None:
    # Needed for this part alone.
    import pyarrow as pa
    import pyarrow.parquet as pq

    said = ["a red cat", None, "eine Straße, 猫 🦔", "", " a blue dog ", "nul \0 byte", "a red cat", "two\nlines", "x" * 11_000, "last"]
    rows = {"id": pa.array(range(10)), "prompt": said, "caption": [f"caption {i}" for i in range(10)], "tags": [["a", "b"]] * 10}
    pq.write_table(pa.table(rows), store.path("prompts/groups.parquet"), row_group_size=4)
    # More rows than are read at a time, in pages that can be found.
    many = pa.table({"text": [f"prompt {i}" for i in range(20_000)]})
    pages = {"compression": "gzip", "data_page_size": 4096, "write_page_index": True, "use_dictionary": False}
    pq.write_table(many, store.path("prompts/pages.parquet"), **pages)
    raw = pa.table({"text": pa.array([b"a cat", b"\xff\xfe", b"\xed\xa0\x80", b"a dog"], pa.binary())})
    pq.write_table(raw, store.path("prompts/bytes.parquet"), compression="brotli", data_page_version="2.0")
    pq.write_table(pa.table({"text": ["a cat", "a dog"]}), store.path("prompts/zstd.parquet"), compression="zstd")
    store.write_json("prompts/groups", {"prompt": said})
