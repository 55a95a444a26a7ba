"""That one event of a repository at a time is worked on, where `one_per_repository` asks for it: an entry of a bucket, the
same as that of librepobus. It is written only over the revision that was read, and the server removes it when nobody has
renewed it for `ack_wait` seconds."""

import asyncio
import os
import time
import uuid

import nats
from nats.js.api import KeyValueConfig
from nats.js.errors import BucketNotFoundError, KeyNotFoundError, KeyWrongLastSequenceError

class Lease:

    def __init__(self, js, name, key, ack_wait):
        self.js, self.bucket, self.key, self.ack_wait = js, f"repobus_lease_{name}", key, ack_wait
        self.owner, self.revision, self.until = str(uuid.uuid4()).encode(), 0, 0

    async def _read(self):
        try:
            entry = await self.kv.get(self.key)
            return entry.value, entry.revision
        except KeyNotFoundError:
            return b"free", 0

    async def _write(self, value, revision):
        asked = time.monotonic()
        try:
            self.revision = await self.kv.update(self.key, value, last=revision)
        except KeyWrongLastSequenceError:
            return False
        self.until = asked + self.ack_wait * 0.9  # given up early: clocks differ in their rate
        return True

    async def _take(self):
        try:
            self.kv = await self.js.key_value(self.bucket)
        except BucketNotFoundError:
            self.kv = await self.js.create_key_value(KeyValueConfig(
                self.bucket, ttl=self.ack_wait, max_bytes=16 << 20, direct=True, replicas=int(os.environ.get("NATS_REPLICAS") or 1)))
        value, revision = await self._read()
        return value == b"free" and await self._write(self.owner, revision)

    async def wait(self, msg, stop):
        """Until it is ours; no attempt is spent meanwhile. False: the process is ending."""
        delay = 0.25
        while not stop.is_set():
            if await self._take():
                return True
            await msg.in_progress()
            try:
                await asyncio.wait_for(stop.wait(), delay)
            except asyncio.TimeoutError:
                delay = min(delay * 2, 2)
        return False

    async def is_kept(self):
        """Renews it."""
        try:
            value, revision = await self._read()
            return value == self.owner and await self._write(self.owner, revision)
        except nats.errors.Error:  # NATS does not answer: it is ours until its time is over
            return time.monotonic() < self.until

    async def give_back(self):
        try:
            if self.revision:
                await self._write(b"free", self.revision)
        except nats.errors.Error:  # then it ends by itself
            pass
