"""Policies in the words of the listings."""

from __future__ import annotations

STARTUP = {
    "OHN": "Online On Home Node Only",
    "OFAN": "Online On First Available Node",
    "OUDP": "Online Using Distribution Policy",
    "OAAN": "Online On All Available Nodes",
}
FALLOVER = {
    "FNPN": "Fallover To Next Priority Node In The List",
    "FUDNP": "Fallover Using Dynamic Node Priority",
    "BO": "Bring Offline (On Error Node Only)",
}
FALLBACK = {
    "FBHPN": "Fallback To Higher Priority Node In The List",
    "NFB": "Never Fallback",
}
SITE = {
    "ignore": "ignore",
    "primary": "Prefer Primary Site",
    "either": "Online On Either Site",
    "both": "Online On Both Sites",
}
CLUSTER_TYPES = {"NSC": "Standard", "SC": "Stretched", "LC": "Linked"}
