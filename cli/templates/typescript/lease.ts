// That one event of a repository at a time is worked on, where `onePerRepository` asks for it: an entry of a bucket, the
// same as that of librepobus. It is written only over the revision that was read, and the server removes it when nobody
// has renewed it for `ackWait` milliseconds.

import { randomUUID } from 'node:crypto';
import { DiscardPolicy, JetStreamApiError, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';

export class Lease {
  private owner = randomUUID();
  private bucket;
  private revision = 0;
  private until = 0;
  constructor(private js: JetStreamClient, private jsm: JetStreamManager, name: string, private key: string, private ackWait: number) {
    this.bucket = `repobus_lease_${name}`;
  }

  private async read() {
    const entry = await this.jsm.direct.getMessage(`KV_${this.bucket}`, { last_by_subj: `$KV.${this.bucket}.${this.key}` });
    return entry ? { value: entry.string(), revision: entry.seq } : { value: 'free', revision: 0 };
  }

  private async write(value: string, revision: number) {
    const asked = performance.now();
    try {
      this.revision = (await this.js.publish(`$KV.${this.bucket}.${this.key}`, value, { expect: { lastSubjectSequence: revision } })).seq;
    } catch (error) {
      if (error instanceof JetStreamApiError && error.code === 10071) return false; // wrong last sequence: somebody was faster
      throw error;
    }
    this.until = asked + this.ackWait * 0.9; // given up early: clocks differ in their rate
    return true;
  }

  private async take() {
    try {
      await this.jsm.streams.info(`KV_${this.bucket}`);
    } catch (error) {
      if (!(error instanceof JetStreamApiError) || error.code !== 10059) throw error; // not found: it is made
      await this.jsm.streams.add({
        name: `KV_${this.bucket}`, subjects: [`$KV.${this.bucket}.>`], max_msgs_per_subject: 1, max_age: this.ackWait * 1e6, max_bytes: 16 << 20,
        duplicate_window: this.ackWait * 1e6, discard: DiscardPolicy.New, allow_direct: true, allow_rollup_hdrs: true, deny_delete: true,
        num_replicas: Number(process.env.NATS_REPLICAS || 1),
      });
    }
    const { value, revision } = await this.read();
    return value === 'free' && this.write(this.owner, revision);
  }

  /** Until it is ours; no attempt is spent meanwhile. False: the process is ending. */
  async wait(isEnding: () => boolean) {
    for (let delay = 250; !isEnding(); delay = Math.min(delay * 2, 2000)) {
      if (await this.take()) return true;
      await new Promise((resolve) => setTimeout(resolve, delay));
    }
    return false;
  }

  /** Renews it. */
  async isKept() {
    try {
      const { value, revision } = await this.read();
      return value === this.owner && await this.write(this.owner, revision);
    } catch { // NATS does not answer: it is ours until its time is over
      return performance.now() < this.until;
    }
  }

  async giveBack() {
    if (this.revision) await this.write('free', this.revision).catch(() => {}); // then it ends by itself
  }
}
