"""The attributes that actions take, under their full names, with values as they are stored. Pure."""

from __future__ import annotations

from daemons.clmgr.errors import INCORRECT_INPUT, ClmgrError, invalid, invalid_characters
from daemons.clmgr.syntax.attribute_tables import TABLES

SYNONYMS = {
    "REPOSITORY": "REPOSITORIES",
    "DISKS": "PHYSICAL_VOLUMES",
    "LIMIT": "TAIL",
    "SECURITY": "SECURITY_LEVEL",
    "ACTIVATE_ON_START": "ACTIVATE_ON_RESTART",
}
TRUE, FALSE = ("yes", "true", "1", "on", "enabled"), ("no", "false", "0", "off", "disabled")
ORDINALS = {
    "DAY_OF_WEEK": (0, "sunday monday tuesday wednesday thursday friday saturday"),
    "MONTH": (1, "january february march april may june july august september october november december"),
}
"""Attributes that are numbers and can be named, as queries show them; the first name's number."""
SECURITY_ONLY = frozenset(("SECURITY_LEVEL", "ALGORITHM", "REFRESH", "MECHANISM"))
"""Attributes of the cluster that are given for message security only."""
NOT_IN_NAMES = "\"'`$&|<>(){}"
"""Characters that mean something to a shell, and stand in no member of a list."""
NAME_MAX = 63


def accepted(action: str, class_name: str) -> dict[str, str]:
    """The attributes of an action on a class, with their domains."""
    return {name: domain for name, (actions, domain) in TABLES.get(class_name, {}).items() if action in actions}


def resolve(name: str, known: tuple[str, ...] | dict[str, str]) -> str:
    """An attribute by its name in any case, a synonym, or an abbreviation that means no other one.

    Raises:
        ClmgrError: none, or several.
    """
    upper = name.upper()
    if upper not in known and SYNONYMS.get(upper) in known:
        return SYNONYMS[upper]
    if upper in known:
        return upper
    found = [candidate for candidate in known if candidate.startswith(upper)]
    if len(found) == 1:
        return found[0]
    if found:
        raise ClmgrError(f'the attribute "{name}" is ambiguous: {", ".join(found)}', INCORRECT_INPUT)
    raise ClmgrError(f'an invalid attribute was specified: "{upper}"', INCORRECT_INPUT)


def checked(action: str, class_name: str, given: dict[str, str]) -> dict[str, str]:
    """The attributes under their full names with values as they are stored; empty values pass, they clear.

    Raises:
        ClmgrError: one that the action does not take, or whose value it cannot have.
    """
    known = accepted(action, class_name)
    found: dict[str, str] = {}
    full_names = {name: resolve(name, known) for name in given}
    # GRACE_PERIOD is the heartbeat's; among the attributes of message security it is that of a key.
    if "GRACE_PERIOD_SEC" in known and not SECURITY_ONLY.isdisjoint(full_names.values()):
        full_names = {n: "GRACE_PERIOD_SEC" if full == "GRACE_PERIOD" else full for n, full in full_names.items()}
    for name, value in given.items():
        full = full_names[name]
        if full in found:
            raise ClmgrError(f'the attribute "{full}" was specified twice.', INCORRECT_INPUT)
        found[full] = value_of(known[full], full, value) if value else ""
    return found


def value_of(domain: str, attribute: str, value: str) -> str:
    """The value as it is stored: booleans true or false, words as the domain spells them.

    Raises:
        ClmgrError: it is not in the domain.
    """
    if any(ord(character) < 32 or character == "\x7f" for character in value):
        raise invalid_characters(attribute, value.encode("unicode_escape").decode())
    match domain:
        case "text":
            return value
        case "name":
            if not is_name(value):
                raise invalid_characters(attribute, value)
        case "paths|ALL" if value.upper() == "ALL":
            return "ALL"
        case "names" | "paths" | "paths|ALL" | "mounts":
            for word in value.replace(",", " ").split():
                if any(character in NOT_IN_NAMES for character in word) or not _fits(domain, word):
                    raise invalid(attribute, word)
        case "path":
            if not value.startswith("/"):
                raise invalid(attribute, value)
        case "address":
            if not is_address(value):
                raise invalid(attribute, value)
        case "netmask":
            if not is_netmask(value):
                raise invalid(attribute, value)
        case "multicast":
            if not is_address(value) or not 224 <= int(value.partition(".")[0]) < 240:
                raise invalid(attribute, value)
        case "truth":
            if value.lower() not in TRUE + FALSE:
                raise invalid(attribute, value)
            return "true" if value.lower() in TRUE else "false"
        case _ if ".." in domain:
            value = _ordinal(attribute, value)
            if not value.isascii() or not value.isdigit() or not _in_range(domain, int(value[:18])):
                raise invalid(attribute, value)
            return str(int(value))
        case _:
            words = domain.split("|")
            found = next((word for word in words if word.lower() == value.lower()), None)
            if found is None:
                raise invalid(attribute, value)
            return found
    return value


def _fits(domain: str, word: str) -> bool:
    """Whether a member of a list is what the list is of."""
    if domain == "mounts":
        point, mark, exported = word.partition(";")
        return bool(mark) and point[:1] == "/" == exported[:1] and ";" not in exported
    return ";" not in word and (domain == "names" or word[0] == "/")


def _ordinal(attribute: str, value: str) -> str:
    """The number of a weekday or month that is named, in full or by three letters or more; others stay as they are."""
    first, names = ORDINALS.get(attribute, (0, ""))
    found = [number for number, name in enumerate(names.split(), first) if name.startswith(value.lower())]
    return str(found[0]) if len(found) == 1 and len(value) > 2 else value


def is_name(value: str) -> bool:
    """Letters, digits, underscores, hyphens, dots; not too long, and not beginning with a hyphen."""
    return len(value) <= NAME_MAX and value.isascii() and value[:1] != "-" and not value.strip(_NAME_CHARACTERS)


_NAME_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-."


def is_address(value: str) -> bool:
    """A dotted IPv4 address."""
    parts = value.split(".")
    return len(parts) == 4 and all(p.isascii() and p.isdigit() and len(p) <= 3 and int(p) < 256 for p in parts)


def is_netmask(value: str) -> bool:
    """An address whose ones come before its zeros, and that has ones."""
    if not is_address(value):
        return False
    number = int.from_bytes(bytes(map(int, value.split("."))))
    zeros = number ^ 0xFFFFFFFF
    return bool(number) and not zeros & (zeros + 1)


def _in_range(domain: str, number: int) -> bool:
    for part in domain.split(","):
        low, dots, high = part.partition("..")
        if int(low) <= number <= int(high if dots else low):
            return True
    return False


def truth(attributes: dict[str, str], name: str, default: bool) -> bool:
    """A boolean among checked attributes."""
    value = attributes.get(name, "").lower()
    return value in TRUE if value else default
