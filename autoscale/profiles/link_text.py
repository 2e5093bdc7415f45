"""A link as its TOML file: what ``load_link`` reads.

>>> from autoscale.profiles import load_link
>>> link_text(load_link("wifi")).splitlines()[1]
'name = "wifi"'
"""

from autoscale.profiles.device_text import figure_line, source_keys, text_lines
from autoscale.profiles.link import LinkProfile
from autoscale.profiles.schema import LINK, VERSION


def link_text(link: LinkProfile) -> str:
    """A link's file, its numbers those of ``figures``; ``load_link`` reads it, where it is called as the link."""
    keys = source_keys([each.source for each in link.figures.values()])
    texts = {"name": link.name, "title": link.title, "radio_name": link.radio_name, "signal": link.signal}
    lines = [f"schema = {VERSION}", *text_lines(texts)]
    lines += ["", "[sources]", *text_lines({key: source for source, key in keys.items()})]
    for table in filter(None, LINK):
        figures = [link.figures[f"{table}.{key}"] for key in LINK[table].figures if f"{table}.{key}" in link.figures]
        lines += ["", f"[{table}]", *(figure_line(each, keys) for each in figures)]
    return "\n".join(lines) + "\n"
