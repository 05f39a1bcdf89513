"""The environment of a node's processes: /etc/environment and what tells a process which node it is on."""

from __future__ import annotations

import os

from srcctl.node.root import NodeRoot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

PRODUCT_PATH: Final = (
    "/usr/bin",
    "/etc",
    "/usr/sbin",
    "/usr/es/sbin/cluster",
    "/usr/es/sbin/cluster/utilities",
    "/usr/es/sbin/cluster/sbin",
    "/usr/es/sbin/cluster/etc",
    "/usr/sbin/rsct/bin",
    "/usr/local/bin",
    "/sbin",
    "/bin",
)
HOST_PATH: Final = ("/usr/local/bin", "/usr/bin", "/usr/sbin", "/bin", "/sbin")


def parse(text: str) -> dict[str, str]:
    """The variables of an /etc/environment: ``NAME=value`` lines, ``#`` comments, optional quotes."""
    result = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and name and not name.startswith("#"):
            value = value.strip()
            if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
                value = value[1:-1]
            result[name] = value
    return result


def node_environment(file_text: str, root: str, mark: str, python: str, code: str) -> dict[str, str]:
    """What every process of a node starts with.

    Args:
        file_text: the node's /etc/environment.
        root: the node's real root folder in folder mode, "" in view mode.
        mark: the node's marker, ``lab id/node``.
        python: path of the interpreter; its folder ends the search path so that ``python3`` is always found.
        code: the folder of our own code, for programs that import ``srcctl.src.subsystem``.
    """
    result = {"HOME": "/", "LOGIN": "root", "LOGNAME": "root", "USER": "root", "SHELL": "/bin/sh", "LANG": "C.UTF-8"}
    result.update(parse(file_text))
    product = tuple(result["PATH"].split(":")) if result.get("PATH") else PRODUCT_PATH
    if root:
        words = [root + directory for directory in product if directory.startswith("/")] + list(HOST_PATH)
        result["HAES_ROOT"] = root
        result["HOME"] = root
    else:
        words = list(product)
    interpreter_directory = python.rpartition("/")[0]
    if interpreter_directory and interpreter_directory not in words:
        words.append(interpreter_directory)
    result["PATH"] = ":".join(dict.fromkeys(words))
    result["ODMDIR"] = root + "/etc/objrepos"
    result["HAES_MARK"] = mark
    result["HAES_CODE"] = code
    result["SPT_NOENV"] = "1"
    return result


def with_caller(environment: Mapping[str, str], caller: Mapping[str, str]) -> dict[str, str]:
    """A node's environment with what a caller's terminal and language settings add to it."""
    kept = {name: value for name, value in caller.items() if name in ("TERM", "LANG", "TZ", "COLUMNS", "LINES") or
            name.startswith("LC_")}  # fmt: skip
    return {**environment, **kept}


def rooted(command: str, root: NodeRoot) -> str:
    """A shell line with every absolute path that exists in the node's root replaced by its real path.

    Only words that begin a path after a blank or a redirection are looked at (folder mode). A file that is still to be
    made is the node's, too, where the node has its folder; a program that only the host has is the host's.
    """
    import shlex

    result = []
    index = 0
    while index < len(command):
        character = command[index]
        if character == "/" and (index == 0 or command[index - 1] in " \t><|&;("):
            end = index
            while end < len(command) and command[end] not in " \t><|&;()'\"":
                end += 1
            word = command[index:end]
            own = root.path(word)
            of_host = os.path.isfile(word) and os.access(word, os.X_OK)
            in_node = os.path.lexists(own) or (os.path.isdir(os.path.dirname(own)) and not of_host)
            result.append(shlex.quote(own) if in_node else word)
            index = end
        else:
            result.append(character)
            index += 1
    return "".join(result)


def shell(command: str, root: NodeRoot) -> list[str]:
    """How the node's shell runs a line; in folder mode the product's absolute paths are the node's own."""
    return ["/bin/sh", "-c", rooted(command, root) if root.directory else command]
