"""Links lead somewhere: in the pages, in the README and its neighbours, and in the checker's own words."""

from __future__ import annotations

from pathlib import Path

import check_links
import pytest

from .conftest import DOCS, ROOT, written_pages


@pytest.mark.parametrize("name", check_links.MARKDOWN)
def test_the_files_beside_the_site_have_no_dead_links(name: str) -> None:
    assert check_links.check_markdown(ROOT / name) == []


@pytest.mark.parametrize("page", written_pages(), ids=lambda page: page.relative_to(DOCS).as_posix())
def test_a_written_page_has_no_dead_links(page: Path) -> None:
    assert check_links.check_markdown(page, generated=DOCS / "reference" / "generated") == []


def test_a_dead_file_and_a_dead_anchor_are_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A `code` title\n\n## Twice\n\n## Twice\n\n(here)=\n", encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(
        "[good](other.md#a-code-title) [good](other.md#twice-1) [good](other.md#here) [good](https://example.org/x)\n"
        "[bad](missing.md) [bad](other.md#nowhere) [bad](#nowhere) ![bad](none.png)\n"
        "`[code](not-a-link.md)`\n\n```\n[code](not-a-link.md)\n```\n",
        encoding="utf-8",
    )

    assert check_links.check_markdown(page) == [
        "page.md: missing.md: there is no such file",
        "page.md: other.md#nowhere: there is no such anchor",
        "page.md: #nowhere: there is no such anchor",
        "page.md: none.png: there is no such file",
    ]


def test_dead_links_of_a_built_site_are_found(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(
        '<a href="sub/page.html#there">good</a><a href="sub/page.html#not">bad</a><img src="none.png">'
        '<a href="https://example.org">not followed</a><a href="#">top</a>',
        encoding="utf-8",
    )
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "page.html").write_text('<h1 id="there">x</h1><a href="../">good</a>', encoding="utf-8")

    assert check_links.check_site(tmp_path) == [
        "index.html: sub/page.html#not: there is no such anchor",
        "index.html: none.png: there is no such file",
    ]
    assert check_links.check_site(tmp_path / "empty") == [f"{tmp_path / 'empty'}: there is no built site"]
