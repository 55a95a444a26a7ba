"""Metrics of a Repobus for Prometheus, from NATS alone: what happens on the bus, and how each subscriber keeps up.

Counters begin with the exporter, as Prometheus expects. It only listens: no consumer of its own, nothing is written.
"""

import asyncio
import json
import os
import signal
import ssl

import nats
from nats.js.errors import Error as JetStreamError
from prometheus_client import Counter, Gauge, start_http_server

KNOWN = {"repo.connected", "repo.rescan", "repo.disconnected", "repo.unhealthy", "repo.failed", "repo.scanned", "repo.graphed", "github.pull_request", "github.issues"}
STATES = {"running", "retrying", "done", "failed"}
SUBSCRIBERS_MAX = 100  # names come from the bus, where anybody may invent some: more are counted as "other"

events = Counter("repobus_bus_events_total", "Events published, by subject.", ["subject"])
runs = Counter("repobus_bus_runs_total", "Reports of subscribers, by state.", ["subscriber", "state"])
dead = Counter("repobus_bus_dead_letters_total", "Events given up.", ["subscriber"])
waiting = Gauge("repobus_bus_waiting", "Events not delivered to a subscriber yet.", ["subscriber"])
in_flight = Gauge("repobus_bus_in_flight", "Events delivered and not answered, those that wait for another try included.", ["subscriber"])
redelivered = Gauge("repobus_bus_redelivered", "Of these, delivered more than once.", ["subscriber"])
stored_bytes = Gauge("repobus_bus_stream_bytes", "Size of a stream.", ["stream"])
up = Gauge("repobus_bus_up", "1 while NATS answers.")
seen = set()


def bounded(name):
    if name not in seen and len(seen) >= SUBSCRIBERS_MAX:
        return "other"
    seen.add(name)
    return name


async def count(msg):
    kind, _, rest = msg.subject.partition(".")
    if kind in ("repo", "github"):
        events.labels(msg.subject if msg.subject in KNOWN else "other").inc()
    elif kind == "dead":
        dead.labels(bounded(rest.partition(".")[0])).inc()
    elif kind == "run":
        try:
            state = json.loads(msg.data)["state"]
        except (ValueError, TypeError, KeyError):
            state = "other"
        runs.labels(bounded(rest.partition(".")[2]), state if state in STATES else "other").inc()


async def look(js):
    for stream in ("REPOBUS", "RUNS", "DEAD"):
        stored_bytes.labels(stream).set((await js.stream_info(stream)).state.bytes)
    for info in await js.consumers_info("REPOBUS"):
        name = bounded(info.name)
        waiting.labels(name).set(info.num_pending or 0)
        in_flight.labels(name).set(info.num_ack_pending or 0)
        redelivered.labels(name).set(info.num_redelivered or 0)
    up.set(1)


def connection():
    """Where NATS is, and who this is; answers come to the inbox that the credentials of this name allow."""
    options = {"servers": os.environ.get("NATS_URL", "nats://127.0.0.1:4222"), "name": "metrics-exporter",
               "inbox_prefix": "_INBOX.metrics-exporter", "max_reconnect_attempts": -1}
    if os.environ.get("NATS_CREDS"):
        options["user_credentials"] = os.environ["NATS_CREDS"]
    if os.environ.get("NATS_CA"):
        options["tls"] = ssl.create_default_context(cafile=os.environ["NATS_CA"])
    return options


async def main():
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    nc = await nats.connect(**connection())
    for subject in ("repo.>", "github.>", "run.>", "dead.>"):
        await nc.subscribe(subject, cb=count)
    await nc.flush()
    server, _ = start_http_server(int(os.environ.get("PORT", "9109")), os.environ.get("ADDRESS", "127.0.0.1"))
    print(f"listening=http://{server.server_address[0]}:{server.server_port}/metrics", flush=True)
    js = nc.jetstream()
    while not stop.is_set():
        try:
            await look(js)
        except (JetStreamError, nats.errors.Error):
            up.set(0)
        try:
            await asyncio.wait_for(stop.wait(), float(os.environ.get("EVERY_SECONDS", "5")))
        except asyncio.TimeoutError:
            pass
    server.shutdown()
    await nc.drain()


asyncio.run(main())
