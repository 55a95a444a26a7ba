"""What most teams would write: the install and webhook endpoints on FastAPI, SQLAlchemy and httpx.

The same steps, answers and tables as the edge, in a database of its own. One worker, one shared HTTP client, prepared
statements by asyncpg. With CLIENT_PER_CALL=1 a client is made for each call to GitHub, as the backend this replaces does.

    python app.py seed N     makes N people (login uN, GitHub token tok-uN), prints their JWTs as JSON
    uvicorn app:app          serves
"""

import asyncio
import hashlib
import hmac
import json
import os
import secrets
import sys
import time
import uuid
from contextlib import asynccontextmanager
from datetime import datetime, timezone

import httpx
import jwt
from cryptography.fernet import Fernet
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from sqlalchemy import BigInteger, LargeBinary, Text, insert, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SECRET_KEY = os.environ["SECRET_KEY"]
GITHUB_API_URL = os.environ.get("GITHUB_API_URL", "https://api.github.com")
HOOK_URL = os.environ["BACKEND_URL"] + "/api/v1/webhooks/github"
CLIENT_PER_CALL = os.environ.get("CLIENT_PER_CALL") == "1"

fernet = Fernet(os.environ["FERNET_KEY"])
engine = create_async_engine(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://"), pool_size=16, max_overflow=0)
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    login: Mapped[str] = mapped_column(Text)
    token_sealed: Mapped[bytes] = mapped_column(LargeBinary)


class Installation(Base):
    __tablename__ = "installations"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger)
    repo_id: Mapped[int] = mapped_column(BigInteger)
    repo_full_name: Mapped[str] = mapped_column(Text)
    default_branch: Mapped[str | None] = mapped_column(Text)
    webhook_id: Mapped[int] = mapped_column(BigInteger)
    webhook_secret: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(Text)
    generation: Mapped[int] = mapped_column(BigInteger)
    connected_at: Mapped[datetime] = mapped_column(postgresql.TIMESTAMP(timezone=True))


class Outbox(Base):
    __tablename__ = "outbox_events"
    id: Mapped[uuid.UUID] = mapped_column(postgresql.UUID(as_uuid=True), primary_key=True)
    subject: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)


class Delivery(Base):
    __tablename__ = "deliveries"
    hook_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    delivery_id: Mapped[uuid.UUID] = mapped_column(postgresql.UUID(as_uuid=True), primary_key=True)
    event: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(Text)
    event_id: Mapped[uuid.UUID] = mapped_column(postgresql.UUID(as_uuid=True))


def event(subject: str, data: dict) -> Outbox:
    event_id = uuid.uuid4()
    body = {
        "specversion": "1.0", "id": str(event_id), "source": "/peer", "type": f"dev.repobus.{subject}",
        "time": datetime.now(timezone.utc).isoformat(), "datacontenttype": "application/json", "data": data,
    }
    return Outbox(id=event_id, subject=subject, body=json.dumps(body))


@asynccontextmanager
async def lifespan(app: FastAPI):
    app.state.github = httpx.AsyncClient(base_url=GITHUB_API_URL, timeout=10)
    yield
    await app.state.github.aclose()
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


async def session():
    async with sessions() as one:
        yield one


async def person(authorization: str = Header(""), db: AsyncSession = Depends(session)) -> User:
    try:
        claims = jwt.decode(authorization.removeprefix("Bearer "), SECRET_KEY, algorithms=["HS256"], options={"require": ["exp", "sub"]})
    except jwt.InvalidTokenError:
        raise HTTPException(401, "Unauthorized") from None
    user = await db.get(User, int(claims["sub"]))
    if user is None:
        raise HTTPException(401, "Unauthorized")
    return user


async def github(method: str, path: str, token: str, **more) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json", "User-Agent": "peer"}
    if CLIENT_PER_CALL:
        async with httpx.AsyncClient(base_url=GITHUB_API_URL, timeout=10) as client:
            return await client.request(method, path, headers=headers, **more)
    return await app.state.github.request(method, path, headers=headers, **more)


@app.post("/api/v1/repos/{owner}/{repo}/install")
async def install(owner: str, repo: str, user: User = Depends(person), db: AsyncSession = Depends(session)):
    found = await db.scalar(select(Installation.id).where(
        Installation.user_id == user.id, Installation.repo_full_name == f"{owner}/{repo}", Installation.state == "active"))
    if found:
        raise HTTPException(400, "Repo already connected")
    token = fernet.decrypt(user.token_sealed).decode()
    await db.commit()  # no transaction stays open while GitHub thinks
    try:
        about = (await github("GET", f"/repos/{owner}/{repo}", token)).raise_for_status().json()
        if not about["permissions"]["admin"]:
            raise HTTPException(502, "Failed to install webhook: you need admin rights")
        secret = secrets.token_hex(32)
        hook = (await github("POST", f"/repos/{owner}/{repo}/hooks", token, json={
            "name": "web", "active": True, "events": ["pull_request", "issues"],
            "config": {"url": HOOK_URL, "content_type": "json", "insecure_ssl": "0", "secret": secret},
        })).raise_for_status().json()
    except httpx.HTTPError as error:
        raise HTTPException(502, f"Failed to install webhook: {error}") from None
    installation = Installation(
        user_id=user.id, repo_id=about["id"], repo_full_name=about["full_name"], default_branch=about["default_branch"],
        webhook_id=hook["id"], webhook_secret=fernet.encrypt(secret.encode()), state="active",
        generation=await db.scalar(text("select nextval('generations')")), connected_at=datetime.now(timezone.utc))
    db.add(installation)
    await db.flush()
    db.add(event("repo.connected", {
        "installation_id": installation.id, "generation": installation.generation, "repo_id": installation.repo_id, "repo": installation.repo_full_name,
        "owner": owner, "name": repo, "user_id": user.id, "webhook_id": hook["id"], "default_branch": about["default_branch"]}))
    await db.commit()
    return {"status": "connected", "installation_id": installation.id, "repo": installation.repo_full_name}


@app.post("/api/v1/webhooks/github")
async def webhook(
    request: Request, x_github_hook_id: int = Header(), x_hub_signature_256: str = Header(), x_github_event: str = Header(),
    x_github_delivery: uuid.UUID = Header(), db: AsyncSession = Depends(session),
):
    rows = (await db.execute(select(Installation.id, Installation.webhook_secret).where(
        Installation.webhook_id == x_github_hook_id, Installation.state == "active"))).all()
    body = await request.body()
    if not rows or not hmac.compare_digest(
            "sha256=" + hmac.new(fernet.decrypt(rows[0].webhook_secret), body, hashlib.sha256).hexdigest(), x_hub_signature_256):
        raise HTTPException(401, "The hook is not known or the signature is wrong")
    payload = json.loads(body)
    told = event(f"github.{x_github_event}", {
        "installation_ids": [row.id for row in rows], "hook_id": x_github_hook_id, "repo_id": payload["repository"]["id"], "repo": payload["repository"]["full_name"],
        "action": payload["action"], "delivery_id": str(x_github_delivery), "payload": payload})
    new = await db.execute(postgresql.insert(Delivery).values(
        hook_id=x_github_hook_id, delivery_id=x_github_delivery, event=x_github_event, action=payload["action"], outcome="published",
        event_id=told.id).on_conflict_do_nothing().returning(Delivery.hook_id))
    if new.first() is not None:
        await db.execute(insert(Outbox).values(id=told.id, subject=told.subject, body=told.body))
    await db.commit()
    return {"status": "published"}


async def seed(count: int) -> None:
    tokens = []
    async with sessions() as db:
        for n in range(count):
            user_id = await db.scalar(text("insert into users (login, token_sealed) values (:login, :token) returning id"),
                                      {"login": f"u{n}", "token": fernet.encrypt(f"tok-u{n}".encode())})
            tokens.append(jwt.encode({"sub": str(user_id), "exp": int(time.time()) + 86400}, SECRET_KEY, algorithm="HS256"))
        await db.commit()
    print(json.dumps(tokens))


if __name__ == "__main__":
    asyncio.run(seed(int(sys.argv[2])))
