"""Check the links of the built site and of the Markdown files beside it: every file and every anchor must exist.

    python docs/check_links.py            # the site in docs/_build/html, and README.md, CHANGELOG.md, CONTRIBUTING.md

Links to other hosts are not followed: tests run without a network.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "docs" / "_build" / "html"
MARKDOWN = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")


class _Page(HTMLParser):
    """Ids and links of one page."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = {""}
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value is not None}
        for name in ("id", "name"):
            if name in values:
                self.ids.add(values[name])
        for name in ("href", "src"):
            if name in values and tag != "form":
                self.links.append(values[name])


def check_site(site: Path) -> list[str]:
    """Return what is wrong in a built site, one line each."""
    pages: dict[Path, _Page] = {}
    for file in sorted(file for file in site.rglob("*.html") if "_static" not in file.relative_to(site).parts):
        page = pages[file.resolve()] = _Page()
        page.feed(file.read_text(encoding="utf-8"))
    problems = [] if pages else [f"{site}: there is no built site"]
    for file, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            name = file.relative_to(site.resolve())
            if target.is_dir():
                target = target / "index.html"
            if not target.is_file():
                problems.append(f"{name}: {link}: there is no such file")
            elif target in pages and unquote(parts.fragment) not in pages[target].ids:
                problems.append(f"{name}: {link}: there is no such anchor")
    return problems


def slug(heading: str) -> str:
    """Return the anchor that code forges and MyST make of a Markdown heading."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors(markdown: str) -> set[str]:
    """Return the anchors of a Markdown text: its headings and its explicit ``(name)=`` targets."""
    text = re.sub(r"^(```+|~~~+).*?^\1", "", markdown, flags=re.MULTILINE | re.DOTALL)
    found = {""}
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", text, flags=re.MULTILINE):
        base, number, name = slug(heading), 0, slug(heading)
        while name in found:
            number += 1
            name = f"{base}-{number}"
        found.add(name)
    return found | set(re.findall(r"^\(([\w-]+)\)=$", text, flags=re.MULTILINE))


def links(markdown: str) -> list[str]:
    """Return the targets of a Markdown text's links and images, code left out."""
    text = re.sub(r"^(```+|~~~+).*?^\1", "", markdown, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"`[^`\n]*`", "``", text)
    found = re.findall(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)", text)
    return found + re.findall(r"(?:src|href)=\"([^\"]+)\"", text)


def check_markdown(file: Path, *, generated: Path | None = None) -> list[str]:
    """Return the dead links of one Markdown file to files and anchors of the repository, one line each.

    Targets below ``generated`` are left to the check of the built site.
    """
    problems = []
    for link in links(file.read_text(encoding="utf-8")):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (file.parent / unquote(parts.path)).resolve() if parts.path else file.resolve()
        if generated is not None and generated in target.parents:
            continue
        if not target.exists():
            problems.append(f"{file.name}: {link}: there is no such file")
        elif target.suffix == ".md" and unquote(parts.fragment) not in anchors(target.read_text(encoding="utf-8")):
            problems.append(f"{file.name}: {link}: there is no such anchor")
    return problems


def main() -> int:
    """Check everything; return the exit code."""
    problems = check_site(SITE)
    for name in MARKDOWN:
        problems += check_markdown(ROOT / name)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
