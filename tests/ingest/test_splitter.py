from __future__ import annotations

from langchain_core.documents import Document

from ingest.splitter import SplitterSettings, split


def test_chinese_is_cut_at_the_ends_of_sentences() -> None:
    text = "".join(f"第{n}条规定员工应当按时提交材料，逾期不予受理。" for n in range(60))
    chunks = list(split([Document(text)], SplitterSettings(200, 20)))
    assert len(chunks) > 3
    assert all(chunk.page_content.endswith("。") for chunk in chunks)
    assert all(len(chunk.page_content) <= 200 for chunk in chunks)


def test_a_chunk_knows_its_number_and_where_it_starts() -> None:
    text = " ".join(f"Sentence number {n} ends here." for n in range(100))
    chunks = list(split([Document(text, metadata={"title": "t"})], SplitterSettings(300, 30)))
    assert [chunk.metadata["chunk"] for chunk in chunks] == list(range(len(chunks)))
    for chunk in chunks:
        start = chunk.metadata["start"]
        assert text[start : start + len(chunk.page_content)] == chunk.page_content
        assert chunk.metadata["title"] == "t"
