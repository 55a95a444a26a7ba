"""The empty subscriber on nats-py: a durable pull consumer, explicit and confirmed acknowledgements, in-progress while the handler
works, retries with a back-off, a dead letter after the last, draining on SIGTERM. BATCH: events of one request, all under way at once."""

import asyncio
import json
import os
import random
import signal

import nats
from nats.errors import TimeoutError
from nats.js.api import AckPolicy, ConsumerConfig

NAME, SUBJECT, BATCH = os.environ["NAME"], "repo.connected", int(os.environ["BATCH"])
MAX_ATTEMPTS, ACK_WAIT, BACKOFF = 8, 30, [1, 5, 25, 125, 300]


async def handle(event):
    pass


async def keep(msg):
    while True:
        await asyncio.sleep(ACK_WAIT / 3)
        await msg.in_progress()


async def handle_one(js, msg):
    attempt = msg.metadata.num_delivered
    keeping = asyncio.create_task(keep(msg))
    try:
        await handle(json.loads(msg.data))
        await msg.ack_sync()
    except Exception as error:
        if attempt >= MAX_ATTEMPTS:
            await js.publish(f"dead.{NAME}.{SUBJECT}", json.dumps({"reason": str(error), "body": msg.data.decode(errors="replace")}).encode())
            await msg.term()
        else:
            await msg.nak(delay=BACKOFF[min(attempt, len(BACKOFF)) - 1] * random.uniform(0.5, 1))
    finally:
        keeping.cancel()


async def main():
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    nc = await nats.connect(os.environ["NATS_URL"], name=NAME, max_reconnect_attempts=-1)
    js = nc.jetstream()
    await js.add_consumer("REPOBUS", ConsumerConfig(durable_name=NAME, filter_subject=SUBJECT, ack_policy=AckPolicy.EXPLICIT,
                                                    ack_wait=ACK_WAIT, max_deliver=-1, max_ack_pending=10000))
    sub = await js.pull_subscribe_bind(durable=NAME, stream="REPOBUS")
    while not stop.is_set():
        try:
            await asyncio.gather(*(handle_one(js, msg) for msg in await sub.fetch(BATCH, timeout=1)))
        except TimeoutError:
            pass
    await nc.drain()


asyncio.run(main())
