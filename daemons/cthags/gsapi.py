"""The Group Services programming interface (GSAPI) for a Python program: ha_gs_init and the calls that follow it.

Names follow the calls of ``ha_gs.h`` without their prefix. As there, a call returns once the request is on its way,
what comes of it is handed to a callback from within ``dispatch``, and nothing is called outside of it. A request that
is wrong by itself raises ``GroupServicesError`` at once (the product returns the code); one that only the domain can
judge reaches the delayed-error callback.

    gs = await GroupServicesInterface.init(NodeRoot.current(), "worker")
    token = gs.join("workers", GroupAttributes(phases="n"), Callbacks(n_phase=vote, approved=apply))
    while True:
        await gs.dispatch()
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from daemons.cthags.client import GroupServices
from daemons.cthags.counter import ResponsivenessCounter
from daemons.cthags.messages import (
    ENET_MEMBERSHIP,
    GROUP_NAME_MAX,
    MESSAGE_MAX,
    STATE_MAX,
    Alive,
    Announcement,
    Approved,
    ChangeAttributes,
    ChangeStateValue,
    DefaultVote,
    DelayedError,
    Died,
    ErrorCode,
    Expel,
    Goodbye,
    GroupAttributes,
    Join,
    Leave,
    Merge,
    Notification,
    NPhase,
    Phases,
    Provider,
    ProviderMessage,
    Rejected,
    Request,
    ResponsivenessProbe,
    Subscribe,
    Subscription,
    SubscriptionKind,
    Unsubscribe,
    Vote,
    VoteValue,
)
from daemons.cthags.query import Unreachable
from srcctl.node.root import NodeRoot

Token: TypeAlias = int
"""Names a provider or a subscriber of this client."""


class GroupServicesError(Exception):
    """A call was refused at once. ``code`` is the product's name of the reason."""

    def __init__(self, code: ErrorCode) -> None:
        super().__init__(code)
        self.code = code


class Callbacks(Struct, frozen=True):
    """What is called for a provider; None: the notification is passed over (an n-phase one is then approved)."""

    n_phase: Callable[[Token, NPhase], None] | None = None
    approved: Callable[[Token, Approved], None] | None = None
    rejected: Callable[[Token, Rejected], None] | None = None
    announcement: Callable[[Token, Announcement], None] | None = None
    merge: Callable[[Token, Merge], None] | None = None


class Responsiveness(Struct, frozen=True):
    """``ha_gs_responsiveness_t``: how Group Services check this client, if at all (HA_GS_NO_RESPONSIVENESS).

    Args:
        interval_us: between two checks.
        limit_us: within which a probe must be answered, or the counter must move.
        counter: that the client advances (HA_GS_COUNTER_RESPONSIVENESS); None: it answers probes from ``dispatch``
            (HA_GS_PING_RESPONSIVENESS).
    """

    interval_us: int = 0
    limit_us: int = 0
    counter: ResponsivenessCounter | None = None


NO_RESPONSIVENESS = Responsiveness()


class _Role(Struct):
    """A provider or subscriber of this client."""

    group: str
    callbacks: Callbacks = Callbacks()
    subscription: Callable[[Token, Subscription], None] | None = None
    phase: int | None = None
    provider: Provider | None = None


class GroupServicesInterface:
    """One GS client.

    Args:
        services: the connection.
        delayed_error: called for a request that failed later.
        responsiveness: called for a probe; True if the program is well (HA_GS_CALLBACK_OK). None: whoever dispatches is
            well.
    """

    def __init__(
        self,
        services: GroupServices,
        delayed_error: Callable[[DelayedError], None] | None = None,
        responsiveness: Callable[[], bool] | None = None,
    ) -> None:
        self._services = services
        self._delayed_error = delayed_error
        self._responsiveness = responsiveness
        self._roles: dict[Token, _Role] = {}
        self._last_token = 0
        self.died = False
        """Group Services have ended; every further call raises HA_GS_NO_INIT."""

    @classmethod
    async def init(
        cls,
        root: NodeRoot,
        name: str,
        *,
        checks: Responsiveness = NO_RESPONSIVENESS,
        critical: bool = False,
        deactivate_script: str = "",
        delayed_error: Callable[[DelayedError], None] | None = None,
        responsiveness: Callable[[], bool] | None = None,
        query: Callable[[], None] | None = None,
    ) -> GroupServicesInterface:
        """``ha_gs_init``.

        Args:
            root: the node's root.
            name: the program's name.
            checks: how Group Services find out whether the program is well.
            critical: to be killed when it does not respond.
            deactivate_script: absolute path of the program that deactivates this one when it is expelled.
            delayed_error, responsiveness, query: callbacks. Nothing is known that would make a query
                (HA_GS_QUERY_NOTIFICATION), so one is refused rather than never called (inferred).

        Raises:
            GroupServicesError: HA_GS_BAD_PARAMETER; HA_GS_NOT_SUPPORTED: a query callback; HA_GS_CONNECT_FAILED:
                cthags does not run; HA_GS_SOCK_CREATE_FAILED: no socket is to be had; HA_GS_SOCK_INIT_FAILED: cthags
                does not answer; HA_GS_NO_MEMORY: it has too many clients.
        """
        if query is not None:
            raise GroupServicesError("HA_GS_NOT_SUPPORTED")
        checked = checks.interval_us or checks.limit_us or checks.counter is not None
        if (checked and min(checks.interval_us, checks.limit_us) <= 0) or (
            deactivate_script and not deactivate_script.startswith("/")
        ):
            raise GroupServicesError("HA_GS_BAD_PARAMETER")
        try:
            services = await GroupServices.init(
                root,
                name,
                interval_us=checks.interval_us,
                limit_us=checks.limit_us,
                critical=critical,
                deactivate_script=deactivate_script,
                counter=checks.counter.descriptor if checks.counter is not None else None,
            )
        except Unreachable as reason:
            raise GroupServicesError(reason.code) from reason
        return cls(services, delayed_error, responsiveness)

    # What the product's calls of these names do.

    def get_node_number(self) -> int:
        """``ha_gs_get_node_number``."""
        return self._services.node

    def get_ffdc_id(self) -> str:
        """``ha_gs_get_ffdc_id``: there is no first failure data capture beside the error log.

        Raises:
            GroupServicesError: HA_GS_NOT_SUPPORTED, always (inferred).
        """
        raise GroupServicesError("HA_GS_NOT_SUPPORTED")

    def quit(self) -> None:
        """``ha_gs_quit``: what was joined fails."""
        self._services.quit()
        self._roles.clear()
        self.died = True

    def join(
        self,
        group: str,
        attributes: GroupAttributes,
        callbacks: Callbacks,
        *,
        instance: int = 0,
        local_name: str = "",
    ) -> Token:
        """``ha_gs_join``: the token counts once the join is approved; after a rejection or an error it is void."""
        if not group or not 0 <= instance < 1 << 15 or min(attributes.time_limit_us, 0):
            raise GroupServicesError("HA_GS_BAD_PARAMETER")
        if len(group.encode()) > GROUP_NAME_MAX:
            raise GroupServicesError("HA_GS_NAME_TOO_LONG")
        if any(role.group == group and role.subscription is None for role in self._roles.values()):
            raise GroupServicesError("HA_GS_EXISTS")
        self._send(Join(group, attributes, instance, local_name))
        return self._new(_Role(group, callbacks))

    def leave(self, token: Token, phases: Phases = 1, time_limit_us: int = 0, code: int = 0) -> None:
        """``ha_gs_leave``."""
        self._send(Leave(self._member(token).group, phases, _limit(time_limit_us), code))

    def goodbye(self, token: Token) -> None:
        """``ha_gs_goodbye``: out at once, the token is void."""
        self._send(Goodbye(self._member(token).group))
        del self._roles[token]

    def expel(
        self,
        token: Token,
        providers: Sequence[Provider],
        phases: Phases = 1,
        time_limit_us: int = 0,
        deactivate_phase: int = 0,
        deactivate_flag: str = "",
    ) -> None:
        """``ha_gs_expel``."""
        group = self._member(token).group
        if not providers:
            raise GroupServicesError("HA_GS_BAD_PARAMETER")
        if len(set(providers)) < len(providers):
            raise GroupServicesError("HA_GS_PROVIDER_APPEARS_TWICE")
        limit = _limit(time_limit_us)
        self._send(Expel(group, tuple(providers), phases, limit, deactivate_phase, deactivate_flag))

    def vote(
        self,
        token: Token,
        value: VoteValue,
        *,
        state: bytes | None = None,
        message: bytes | None = None,
        default_vote: DefaultVote | None = None,
    ) -> None:
        """``ha_gs_vote``: the answer to the n-phase notification that was handed out last for this provider."""
        role = self._member(token)
        if len(message or b"") > MESSAGE_MAX or len(state or b"") > STATE_MAX:
            raise GroupServicesError("HA_GS_BAD_PARAMETER")
        if role.phase is None:
            raise GroupServicesError("HA_GS_VOTE_NOT_EXPECTED")
        phase, role.phase = role.phase, None
        self._send(Vote(role.group, phase, value, message, state, default_vote))

    def change_state_value(
        self, token: Token, state: bytes, phases: Phases = 1, time_limit_us: int = 0, old: bytes | None = None
    ) -> None:
        """``ha_gs_change_state_value``: 1 to 256 bytes."""
        group = self._member(token).group
        if not 0 < len(state) <= STATE_MAX:
            raise GroupServicesError("HA_GS_BAD_PARAMETER")
        self._send(ChangeStateValue(group, state, phases, _limit(time_limit_us), old))

    def change_attributes(
        self, token: Token, attributes: GroupAttributes, phases: Phases = 1, time_limit_us: int = 0
    ) -> None:
        """``ha_gs_change_attributes``."""
        self._send(ChangeAttributes(self._member(token).group, attributes, phases, _limit(time_limit_us)))

    def send_message(self, token: Token, message: bytes, phases: Phases = 1, time_limit_us: int = 0) -> None:
        """``ha_gs_send_message``: a provider-broadcast message."""
        group = self._member(token).group
        if not 0 < len(message) <= MESSAGE_MAX:
            raise GroupServicesError("HA_GS_BAD_PARAMETER")
        self._send(ProviderMessage(group, message, phases, _limit(time_limit_us)))

    def subscribe(
        self, group: str, callback: Callable[[Token, Subscription], None], kind: SubscriptionKind = "both"
    ) -> Token:
        """``ha_gs_subscribe``."""
        if not group:
            raise GroupServicesError("HA_GS_BAD_PARAMETER")
        if len(group.encode()) > GROUP_NAME_MAX:
            raise GroupServicesError("HA_GS_NAME_TOO_LONG")
        if any(role.group == group and role.subscription is not None for role in self._roles.values()):
            raise GroupServicesError("HA_GS_EXISTS")
        self._send(Subscribe(group, kind))
        return self._new(_Role(group, subscription=callback))

    def unsubscribe(self, token: Token) -> None:
        """``ha_gs_unsubscribe``."""
        role = self._roles.get(token)
        if role is None or role.subscription is None:
            raise GroupServicesError("HA_GS_BAD_MEMBER_TOKEN")
        self._send(Unsubscribe(role.group))
        del self._roles[token]

    def get_adapter_info(self, callback: Callable[[Token, Subscription], None]) -> Token:
        """``ha_gs_get_adapter_info``: the interfaces that are up, now and after every change (inferred)."""
        return self.subscribe(ENET_MEMBERSHIP, callback)

    async def dispatch(self) -> Notification:
        """``ha_gs_dispatch``: wait for the next notification, hand it to its callback, and return it.

        Raises:
            GroupServicesError: HA_GS_NO_INIT, there is none any more: Group Services have ended, or the program quit.
        """
        if self.died:
            raise GroupServicesError("HA_GS_NO_INIT")
        notification = await self._services.receive()
        match notification:
            case Died():
                self._group_services_died()
            case ResponsivenessProbe(serial):
                self._send(Alive(serial, self._responsiveness is None or self._responsiveness()))
            case DelayedError():
                self._failed(notification)
            case Subscription(group=group):
                token = self._token(group, subscriber=True)
                role = self._roles.get(token)
                if role is not None and role.subscription is not None:
                    role.subscription(token, notification)
            case NPhase() | Approved() | Rejected() | Announcement() | Merge():
                self._for_provider(notification)
        return notification

    # How it works.

    def _for_provider(self, notification: NPhase | Approved | Rejected | Announcement | Merge) -> None:
        token = self._token(notification.group, subscriber=False)
        role = self._roles.get(token)
        if role is None:
            return
        callbacks = role.callbacks
        match notification:
            case NPhase():
                role.provider, role.phase = notification.self_provider, notification.token
                if callbacks.n_phase is not None:
                    callbacks.n_phase(token, notification)
                else:
                    self.vote(token, "approve")
                return
            case Announcement():
                if "group_dissolved" in notification.summary:
                    del self._roles[token]
                if callbacks.announcement is not None:
                    callbacks.announcement(token, notification)
                return
            case Merge():
                role.provider, role.phase = notification.provider, None
                if callbacks.merge is not None:
                    callbacks.merge(token, notification)
                return
        role.provider, role.phase = notification.self_provider, None
        if role.provider not in notification.providers:
            del self._roles[token]  # it never was one, or is none any more
        if isinstance(notification, Approved):
            if callbacks.approved is not None:
                callbacks.approved(token, notification)
        elif callbacks.rejected is not None:
            callbacks.rejected(token, notification)

    def _failed(self, error: DelayedError) -> None:
        if error.request in ("join", "subscribe"):
            self._roles.pop(self._token(error.group, subscriber=error.request == "subscribe"), None)
        if self._delayed_error is not None:
            self._delayed_error(error)

    def _group_services_died(self) -> None:
        """HA_GS_GROUP_SERVICES_HAS_DIED_HORRIBLY: every provider is told."""
        roles, self._roles = self._roles, {}
        self.died = True
        for token, role in roles.items():
            if role.callbacks.announcement is not None:
                providers = (role.provider,) if role.provider is not None else ()
                summary = Announcement(role.group, ("group_services_has_died_horribly",), providers)
                role.callbacks.announcement(token, summary)

    def _send(self, request: Request) -> None:
        if self.died:
            raise GroupServicesError("HA_GS_NO_INIT")
        self._services.send(request)

    def _new(self, role: _Role) -> Token:
        self._last_token += 1
        self._roles[self._last_token] = replace(role)
        return self._last_token

    def _token(self, group: str, subscriber: bool) -> Token:
        return next(
            (
                token
                for token, role in self._roles.items()
                if role.group == group and (role.subscription is not None) == subscriber
            ),
            0,
        )

    def _member(self, token: Token) -> _Role:
        role = self._roles.get(token)
        if role is None or role.subscription is not None:
            raise GroupServicesError("HA_GS_BAD_MEMBER_TOKEN")
        return role


def _limit(time_limit_us: int) -> int:
    if time_limit_us < 0:
        raise GroupServicesError("HA_GS_BAD_PARAMETER")
    return time_limit_us
