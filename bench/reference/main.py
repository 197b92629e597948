"""The service that the benchmarks compare with: items, echo, and an audit trail.

FastAPI on uvicorn with two workers, SQLAlchemy with asyncpg, uvloop and httptools, and a
background task that writes the record once the response is out. A record can be lost
between the two, which is how this is usually done; the comparison leaves that aside.

It prints its address, and ends in order when its standard input is closed.
"""

import json
import os
import signal
import threading
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import uvicorn
from fastapi import BackgroundTasks, Depends, FastAPI, Header, HTTPException, Request
from pydantic import BaseModel
from sqlalchemy import make_url
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TIMESTAMP
from uvicorn.supervisors import Multiprocess

WORKERS = 2
REDACTED = "[REDACTED]"
SECRETS = ("password", "secret", "token", "api_key", "apikey", "authorization", "credential")

engine = create_async_engine(
    make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+asyncpg"),
    pool_size=8,
    max_overflow=0,
)
sessions = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)


class Base(DeclarativeBase):
    pass


class ItemRow(Base):
    __tablename__ = "bench_items"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    attributes: Mapped[str]
    owner: Mapped[str | None]


class AuditRow(Base):
    __tablename__ = "reference_audit"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    actor: Mapped[str]
    action: Mapped[str]
    occurred_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    endpoint: Mapped[str]
    payload: Mapped[Any] = mapped_column(JSON)


class NewItem(BaseModel):
    name: str
    attributes: dict[str, Any]


class Item(NewItem):
    id: UUID
    owner: str | None


def actor_of(authorization: Annotated[str | None, Header()] = None) -> str:
    """Believes everybody who says a name, as the other side does."""
    if authorization is None:
        raise HTTPException(401, "Say who you are.")
    return authorization


Actor = Annotated[str, Depends(actor_of)]


async def session():
    async with sessions() as opened:
        yield opened


def redact(value: Any) -> Any:
    """A copy without what is secret by its name."""
    if isinstance(value, dict):
        return {
            name: REDACTED if any(secret in name.lower() for secret in SECRETS) else redact(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [redact(inner) for inner in value]
    return value


async def record(actor: str, action: str, occurred_at: datetime, endpoint: str, payload: Any) -> None:
    async with sessions.begin() as opened:
        opened.add(
            AuditRow(
                actor=actor,
                action=action,
                occurred_at=occurred_at,
                endpoint=endpoint,
                payload=redact(payload),
            )
        )


@app.post("/items/", status_code=201)
async def create_item(
    new: NewItem,
    actor: Actor,
    request: Request,
    tasks: BackgroundTasks,
    opened: Annotated[AsyncSession, Depends(session)],
) -> Item:
    item = Item(id=uuid4(), owner=actor, **new.model_dump())
    opened.add(ItemRow(id=item.id, name=item.name, attributes=json.dumps(item.attributes), owner=item.owner))
    await opened.commit()
    tasks.add_task(record, actor, "create_item", datetime.now(UTC), request.url.path, new.model_dump())
    return item


@app.post("/echo")
async def echo(body: dict[str, Any], actor: Actor, request: Request, tasks: BackgroundTasks) -> dict[str, Any]:
    tasks.add_task(record, actor, "echo", datetime.now(UTC), request.url.path, body)
    return body


def end_with_standard_input() -> None:
    # Without the buffer of `sys.stdin`, whose lock nobody may hold when the process ends.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    config = uvicorn.Config(
        "main:app",
        host="127.0.0.1",
        port=0,
        workers=WORKERS,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
    listener = config.bind_socket()
    # The workers would do it later, and whoever reads the address connects at once.
    listener.listen(config.backlog)
    host, port = listener.getsockname()
    print(f"{host}:{port}", flush=True)
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    # What `uvicorn main:app --workers 2` does; only here the port is known.
    Multiprocess(config, sockets=[listener]).run()
