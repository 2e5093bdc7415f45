"""The project's changelog as a page; a hook of MkDocs, which ``mkdocs.yml`` names."""

from pathlib import Path
from typing import Any

from mkdocs.structure.pages import Page


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """The file at the root of the project, whose links lead from there into docs/."""
    if page.file.src_uri != "changelog.md":
        return markdown
    return Path("CHANGELOG.md").read_text(encoding="utf-8").replace("](docs/", "](")
