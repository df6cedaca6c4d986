"""Every row of a table whose first cell is a name, and nothing else, has an anchor: `data-dictionary.html#trials.flops`.

The anchor is the anchor of the section, a dot and the name; in the cell the name leads to it, so that it can be copied.
"""

from typing import Any, Final

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform


class RowAnchors(SphinxTransform):
    """Gives the rows their ids."""

    default_priority: Final = 850  # after MyST has named the sections

    def apply(self, **options: Any) -> None:
        for row in self.document.findall(nodes.row):
            if (name := _name_of(row)) is None or (section := _anchor_of(row)) is None:
                continue
            anchor = f"{section}.{name.astext()}"
            if anchor in self.document.ids:
                continue
            row["ids"].append(anchor)
            self.document.ids[anchor] = row
            reference = nodes.reference("", "", internal=True, refuri=f"#{anchor}", classes=["row-anchor"])
            name.replace_self(reference)
            reference += name


def _name_of(row: nodes.row) -> nodes.literal | None:
    """The literal that is all its first cell holds."""
    first = row[0]
    if len(first) != 1 or not isinstance(first[0], nodes.paragraph) or len(first[0]) != 1:
        return None
    found = first[0][0]
    return found if isinstance(found, nodes.literal) and " " not in found.astext() else None


def _anchor_of(row: nodes.row) -> str | None:
    """The anchor by which the section around it is linked to."""
    node: nodes.Node | None = row
    while node is not None and not isinstance(node, nodes.section):
        node = node.parent
    return None if node is None else str(node.get("slug") or node["ids"][0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx calls it."""
    app.add_transform(RowAnchors)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
