"""The sessions of one person, as devices: list them, end one, end the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.chain import Refusal, error_reply
from holdfast.rules import agent

if TYPE_CHECKING:
    from holdfast.record import Record
    from holdfast.service.context import ServiceContext
    from holdfast.session import Session

MOST = 100
"""Devices on one page."""

_UNKNOWN = "Unknown device"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One session as its owner sees it. `id` is its public id; times are Unix ms."""

    id: str
    label: str
    created_at: int
    seen_at: int
    address: str | None
    current: bool


@dataclass(frozen=True, slots=True)
class DevicePage:
    """Some devices, the current one first, then by last activity; `after` continues, None ends."""

    devices: tuple[Device, ...]
    after: str | None


async def devices_of(
    context: ServiceContext, session: Session, *, after: str | None = None, limit: int = MOST
) -> DevicePage:
    """One page of the living sessions of who is signed in."""
    page = await context.sessions.sessions_of(
        session.subject or "", after=after, limit=max(1, min(limit, MOST))
    )
    devices = [_device(record, session.id) for record in page.records]
    devices.sort(key=lambda device: (not device.current, -device.seen_at, device.id))
    return DevicePage(tuple(devices), page.after)


async def find(context: ServiceContext, session: Session, id: str) -> Device | None:
    """One living session of who is signed in; None if there is none, or it is somebody else's (R173)."""
    record = await context.sessions.find(id)
    if record is None or record.subject is None or record.subject != session.subject:
        return None
    return _device(record, session.id)


async def end(context: ServiceContext, session: Session, id: str) -> None:
    """End one session of who is signed in; their current one at the end of this request.

    Raises:
        Refusal: 404, there is no such session, or it is somebody else's (R173).
    """
    if id == session.id:
        session.sign_out()
        return
    if await find(context, session, id) is None:
        raise Refusal(error_reply(404, "not_found", "Not found"))
    await context.sessions.revoke(id, session.client, reason="ended_by_owner")


async def end_others(context: ServiceContext, session: Session) -> int:
    """End all sessions of who is signed in but this one; how many ended (R33)."""
    return await context.sessions.revoke_all(
        session.subject or "", keep=session.id, client=session.client
    )


def label_of(user_agent: str | None) -> str:
    """A device's name for people, from what it says of itself: "Firefox on Windows"."""
    browser, _, system = agent.family(user_agent).partition("/")
    if not system:
        return _product(user_agent or "")
    return " on ".join(part for part in (browser, system) if part != agent.UNKNOWN) or _UNKNOWN


def _product(user_agent: str) -> str:
    return user_agent.partition("/")[0].strip()[:40] or _UNKNOWN


def _device(record: Record, current: str | None) -> Device:
    return Device(
        id=record.id,
        label=record.client.label or label_of(record.client.user_agent),
        created_at=record.created_at,
        seen_at=record.seen_at,
        address=record.address,
        current=record.id == current,
    )
