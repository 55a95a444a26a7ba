"""The rules of a Repobus subscriber on nats-py, the same as those of librepobus: one durable pull consumer, the server
is told while a handler works, back-off between attempts, a dead letter after the last, a run that people see."""

import asyncio
import base64
import json
import os
import random
import signal
import ssl
import time
from datetime import datetime, timezone

import nats
from nats.errors import TimeoutError
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import NotFoundError

from lease import Lease

ACK_WAIT = 30  # seconds: whoever died is noticed after this; a living one says so every third of it
MAX_ATTEMPTS = 8
BACKOFF = [1, 5, 25, 125, 300]  # seconds; the last one again and again


class Reject(Exception):
    """It will never work: to the dead letters."""


class GitHubError(Exception):
    """GitHub's answer is none: its code ("not found", "limit reached", …) and a text."""


class Work:
    """One attempt at one event, and its run, which repobus shows."""

    def __init__(self, nc, js, name, event, attempt):
        self.nc, self.js, self.name, self.data = nc, js, name, event["data"]
        now = int(time.time() * 1000)
        self.run = {"installation_id": self.data.get("installation_id", 0), "subscriber": name, "event": event.get("id", ""), "generation": self.data.get("generation", 0),
                    "state": "running", "attempt": attempt, "done": 0, "total": 0, "note": "", "error": "", "at_ms": now, "started_ms": now, "finished_ms": 0}

    async def report(self, state, error=""):
        now = int(time.time() * 1000)
        self.run.update(state=state, error=error[:500], at_ms=now, finished_ms=now if state in ("done", "failed") else 0)
        if self.run["installation_id"]:  # github.* events belong to several: they have no run
            await self.js.publish(f"run.{self.run['installation_id']}.{self.name}", json.dumps(self.run).encode())

    async def progress(self, done, total, note=""):
        self.run.update(done=done, total=total, note=note[:250])
        await self.report("running")

    async def github(self, method, path, body=None):
        """Asks GitHub about the event's repository, as a person who connected it: status, body, has_next. `path` is what
        follows /repos/{owner}/{repo}/."""
        ids = self.data.get("installation_ids") or [self.data["installation_id"]]
        question = {"installation_ids": ids, "method": method, "path": path, "body": body}
        answer = json.loads((await self.nc.request("installation.github", json.dumps(question).encode(), timeout=30)).data)
        if "error" in answer:
            raise GitHubError(answer["error"]["code"], answer["error"]["text"])
        return answer


async def _keep(msg, lease, working, ack_wait):
    while True:
        await asyncio.sleep(ack_wait / 3)
        await msg.in_progress()
        if lease and not await lease.is_kept():
            working.cancel("the lease was lost")


def _as_it_came(body):
    try:
        return {"event": json.loads(body)}
    except ValueError:
        return {"body_base64": base64.b64encode(body).decode(), "body_size": len(body)}


async def _bury(js, name, msg, event, reason, work):
    meta = msg.metadata
    letter = {"subscriber": name, "subject": msg.subject, "reason": reason, "attempts": meta.num_delivered,
              "at": datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
              "stream": "REPOBUS", "sequence": meta.sequence.stream, **_as_it_came(msg.data)}
    await js.publish(f"dead.{name}.{msg.subject}", json.dumps(letter).encode(), headers={"Nats-Msg-Id": f"{name}.{event.get('id', '-')}.{meta.sequence.stream}"})
    await work.report("failed", reason)
    await msg.term()


async def _handle(nc, js, name, subjects, handler, msg, stop, one_per_repository, ack_wait):
    to = (msg.headers or {}).get("Repobus-To", name)  # an event that an operator replays is for one subscriber
    if msg.subject not in subjects or to != name:
        return await msg.ack()
    try:
        event = json.loads(msg.data)
        if not isinstance(event["data"], dict):
            raise TypeError("its data is no object")
        work = Work(nc, js, name, event, msg.metadata.num_delivered)
    except (ValueError, TypeError, KeyError) as error:
        event = {"data": {}}
        return await _bury(js, name, msg, event, f"no event: {error}", Work(nc, js, name, event, msg.metadata.num_delivered))
    lease = Lease(js, name, str(work.data["repo_id"]), ack_wait) if one_per_repository and work.data.get("repo_id") else None
    keeping = None
    try:
        if lease and not await lease.wait(msg, stop):
            return await msg.nak()
        await work.report("running")
        working = asyncio.create_task(handler(event, work))
        keeping = asyncio.create_task(_keep(msg, lease, working, ack_wait))
        await working
        await work.report("done")
        await msg.ack_sync()
    except Reject as error:
        await _bury(js, name, msg, event, str(error), work)
    except (Exception, asyncio.CancelledError) as error:  # whatever else went wrong may go well later
        if msg.metadata.num_delivered >= MAX_ATTEMPTS:
            return await _bury(js, name, msg, event, str(error), work)
        delay = BACKOFF[min(msg.metadata.num_delivered, len(BACKOFF)) - 1]
        await work.report("retrying", str(error))
        await msg.nak(delay=delay * random.uniform(0.5, 1))
    finally:
        if keeping:
            keeping.cancel()
        if lease:
            await lease.give_back()


def _connection(name):
    """Where NATS is, and who this is. Answers come to an inbox on which no other subscriber's credentials may listen."""
    options = {"servers": os.environ.get("NATS_URL", "nats://127.0.0.1:4222"), "name": name, "inbox_prefix": f"_INBOX.{name}", "max_reconnect_attempts": -1}
    if os.environ.get("NATS_CREDS"):
        options["user_credentials"] = os.environ["NATS_CREDS"]
    if os.environ.get("NATS_CA"):
        options["tls"] = ssl.create_default_context(cafile=os.environ["NATS_CA"])
    return options


async def _main(name, subjects, handler, one_per_repository, in_order, ack_wait):
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    nc = await nats.connect(**_connection(name))
    js = nc.jetstream()
    config = ConsumerConfig(durable_name=name, ack_policy=AckPolicy.EXPLICIT, ack_wait=ack_wait, max_deliver=-1, max_ack_pending=1 if in_order else 10000,
                            filter_subject="@FILTER@" if "@FILTER@" != ">" else None)
    while not stop.is_set():
        try:
            await js.add_consumer("REPOBUS", config)
            break
        except NotFoundError:  # Repobus has not run yet
            await asyncio.sleep(1)
    sub = await js.pull_subscribe_bind(durable=name, stream="REPOBUS")
    stopping = asyncio.create_task(stop.wait())
    while not stop.is_set():  # one at a time; several processes of this name share the work
        fetching = asyncio.create_task(sub.fetch(1, timeout=30))
        await asyncio.wait({fetching, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not fetching.done():
            fetching.cancel()
            break
        try:
            for msg in fetching.result():
                await _handle(nc, js, name, subjects, handler, msg, stop, one_per_repository, ack_wait)
        except (TimeoutError, nats.errors.Error):
            await asyncio.sleep(0.1)
    await nc.drain()


def run(name, subjects, handler, one_per_repository=False, in_order=False, ack_wait=ACK_WAIT):
    """Runs until SIGTERM or SIGINT; what is under way is finished first.

    one_per_repository: at most one event of a repository is worked on at a time, over all processes; a handler whose lease
    is lost is cancelled. in_order: one event at a time over all processes, as the stream has them, retries included.
    ack_wait: the same for all processes of this name, and no longer than a bucket of leases that is there was made for.
    """
    asyncio.run(_main(name, subjects, handler, one_per_repository, in_order, ack_wait))
