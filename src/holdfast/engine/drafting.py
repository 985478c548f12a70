"""New records, and how much of the client they keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.errors import UsageError
from holdfast.record import Client, Record
from holdfast.rules import agent, forwarded, secret

if TYPE_CHECKING:
    from holdfast.engine.core import Core
    from holdfast.protocols import ClientFacts
    from holdfast.rules.intents import SignIn


def new_record(
    core: Core,
    client: ClientFacts,
    *,
    id: str,
    key: bytes,
    plain: bytes,
    intent: SignIn | None = None,
) -> Record:
    """A record that begins now: anonymous, or the subject's of a sign-in.

    Raises:
        UsageError: the sign-in names a policy that the settings do not have.
        TooLarge: the data exceed their limit.
    """
    now = core.clock()
    limits = core.policies.get(intent.policy if intent else "default")
    if limits is None:
        raise UsageError("sign_in: there is no policy of that name in Settings.policies")
    draft = Record(
        id=id,
        secret_hash=secret.digest(key),
        data=core.packed(id, plain, key),
        created_at=now,
        seen_at=now,
        expires_at=0,
        policy=limits,
        version=0,
        address=kept_address(core, client),
        client=Client(_kept_agent(core, client), intent.label if intent else None),
        **_owner(intent, now),
    )
    return core.rewritten(draft, now)


def _owner(intent: SignIn | None, now: int) -> dict[str, Any]:
    if intent is None:
        return {}
    return {
        "subject": intent.subject,
        "claims": intent.claims,
        "assurance": intent.assurance,
        "authenticated_at": now,
    }


def _kept_agent(core: Core, client: ClientFacts) -> str | None:
    if client.user_agent is None or not core.settings.keep_user_agent:
        return None
    return agent.clean(client.user_agent)


def kept_address(core: Core, client: ClientFacts) -> str | None:
    """The client's address as the settings allow it to be kept."""
    if client.address is None or core.settings.keep_address == "off":
        return None
    whole = core.settings.keep_address == "full"
    return client.address if whole else forwarded.truncate(client.address)
