"""exportfs and showmount, against the table of what is exported."""

from __future__ import annotations

from pathlib import Path

from tests.storage.conftest import Run
from tests.storage.machine import Node


def test_what_is_exported_is_shown_and_taken_back(nodes: tuple[Node, Node], run: Run) -> None:
    one, other = nodes
    assert run(one, "exportfs", "-i", "-o", "access=node1:node2,vers=4", "/usr") == (0, "", "")
    assert run(one, "exportfs", "-i", "/var") == (0, "", "")
    assert run(one, "exportfs")[1] == "/usr -access=node1:node2,vers=4\n/var -\n"
    assert run(one, "showmount", "-e")[1] == "export list for node1:\n/usr node1,node2\n/var (everyone)\n"
    assert run(other, "exportfs") == (0, "", "")
    assert run(one, "exportfs", "-u", "/usr") == (0, "", "")
    assert run(one, "exportfs")[1] == "/var -\n"
    assert run(one, "exportfs", "-u", "/usr") == (1, "", "exportfs: 1831-187 /usr is not exported\n")
    assert run(one, "exportfs", "-u", "-a") == (0, "", "")
    assert run(one, "exportfs") == (0, "", "")


def test_all_of_etc_exports(nodes: tuple[Node, Node], run: Run) -> None:
    node = nodes[0]
    Path(node.root.path("/etc/exports")).write_text("# ours\n/var -ro\n/nosuch\n")
    assert run(node, "exportfs", "-a")[0] == 1
    assert run(node, "exportfs")[1] == "/var -ro\n"
    assert run(node, "exportfs", "/usr")[0] == 1, "it is not in the file"


def test_wrong_words_and_other_hosts(nodes: tuple[Node, Node], run: Run) -> None:
    node = nodes[0]
    assert run(node, "exportfs", "-z")[::2] == (
        1,
        "Usage: exportfs [-a] [-v] [-u] [-i] [-f file] [-o options] [dir]\n",
    )
    assert run(node, "showmount", "-e", "elsewhere")[0] == 1
