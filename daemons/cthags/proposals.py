"""Which proposal a provider's request is, and what can be said against it before any leader sees it."""

from __future__ import annotations

from typing import TypeAlias

from msgspec.structs import replace

from daemons.cthags.messages import (
    GROUP_NAME_MAX,
    MESSAGE_MAX,
    STATE_MAX,
    ChangeAttributes,
    ChangeStateValue,
    ErrorCode,
    Expel,
    GroupAttributes,
    Leave,
    Provider,
    ProviderMessage,
)
from daemons.cthags.wire import Proposal

Proposing: TypeAlias = Leave | ProviderMessage | ChangeStateValue | ChangeAttributes | Expel


def proposal_of(number: int, provider: Provider, request: Proposing) -> Proposal | ErrorCode:
    """The proposal of a provider's request.

    Args:
        number: names it among those of this node.
        provider: who asks.
        request: what is asked.
    """
    if request.time_limit_us < 0:
        return "HA_GS_BAD_PARAMETER"
    plain = Proposal(
        number, request.group, "leave", provider, phases=request.phases, time_limit_us=request.time_limit_us
    )
    match request:
        case Leave():
            return replace(plain, leave_code=request.code)
        case ProviderMessage():
            if len(request.message) > MESSAGE_MAX:
                return "HA_GS_BAD_PARAMETER"
            return replace(plain, kind="message", message=request.message)
        case ChangeStateValue():
            if len(request.state) > STATE_MAX:
                return "HA_GS_BAD_PARAMETER"
            return replace(plain, kind="state_change", state=request.state, old_state=request.old)
        case ChangeAttributes():
            if not sound(request.attributes):
                return "HA_GS_BAD_PARAMETER"
            return replace(plain, kind="attribute_change", attributes=request.attributes)
        case Expel():
            if (error := _expel_error(request)) is not None:
                return error
            return replace(
                plain,
                kind="expel",
                changing=request.providers,
                deactivate_phase=request.deactivate_phase,
                deactivate_flag=request.deactivate_flag,
            )


def sound(attributes: GroupAttributes) -> bool:
    """The values of a group's attributes are possible ones."""
    limits = (attributes.time_limit_us, attributes.source_reflection_time_limit_us)
    return min(limits) >= 0 and len(attributes.source_group.encode()) <= GROUP_NAME_MAX


def _expel_error(request: Expel) -> ErrorCode | None:
    if not request.providers or len(request.deactivate_flag.encode()) > STATE_MAX:
        return "HA_GS_BAD_PARAMETER"
    if len(set(request.providers)) < len(request.providers):
        return "HA_GS_PROVIDER_APPEARS_TWICE"
    if request.deactivate_phase < 0 or (request.deactivate_phase and request.phases == 1):
        return "HA_GS_INVALID_DEACTIVATE_PHASE"
    return None
