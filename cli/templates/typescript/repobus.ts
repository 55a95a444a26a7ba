// The rules of a Repobus subscriber on nats.js, the same as those of librepobus: one durable pull consumer, the server
// is told while a handler works, back-off between attempts, a dead letter after the last, a run that people see.

import { readFileSync } from 'node:fs';
import { AckPolicy, jetstream, type JetStreamClient, type JetStreamManager, jetstreamManager, type JsMsg } from '@nats-io/jetstream';
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';

import { Lease } from './lease.js';

const ACK_WAIT = 30_000; // whoever died is noticed after this; a living one says so every third of it
const MAX_ATTEMPTS = 8;
const BACKOFF = [1_000, 5_000, 25_000, 125_000, 300_000]; // the last one again and again

export interface Event { id: string; type: string; data: Record<string, any> }

/** It will never work: to the dead letters. */
export class Reject extends Error {}

/** One attempt at one event, and its run, which repobus shows. */
export class Work {
  /** Of a handler that should stop, since its lease is lost; see `onePerRepository`. */
  readonly stop = new AbortController();
  private run;
  constructor(private nc: NatsConnection, private js: JetStreamClient, private name: string, private event: Event, attempt: number) {
    const now = Date.now();
    this.run = {
      installation_id: event.data.installation_id ?? 0, subscriber: name, event: event.id, generation: event.data.generation ?? 0, state: 'running', attempt,
      done: 0, total: 0, note: '', error: '', at_ms: now, started_ms: now, finished_ms: 0,
    };
  }

  async report(state: 'running' | 'retrying' | 'done' | 'failed', error = '') {
    const now = Date.now();
    Object.assign(this.run, { state, error: error.slice(0, 500), at_ms: now, finished_ms: state === 'done' || state === 'failed' ? now : 0 });
    // github.* events belong to several installations: they have no run.
    if (this.run.installation_id) await this.js.publish(`run.${this.run.installation_id}.${this.name}`, JSON.stringify(this.run));
  }

  async progress(done: number, total: number, note = '') {
    Object.assign(this.run, { done, total, note: note.slice(0, 250) });
    await this.report('running');
  }

  /** Asks GitHub about the event's repository, as a person who connected it; `path` is what follows /repos/{owner}/{repo}/. */
  async github(method: string, path: string, body?: unknown): Promise<{ status: number, body: any, has_next: boolean }> {
    const { installation_ids = [this.event.data.installation_id] } = this.event.data;
    const reply = await this.nc.request('installation.github', JSON.stringify({ installation_ids, method, path, body }), { timeout: 30_000 });
    const answer = reply.json<any>();
    if (answer.error) throw Object.assign(new Error(answer.error.text), { code: answer.error.code }); // "not found", "limit reached", …
    return answer;
  }
}

function asItCame(msg: JsMsg) {
  try {
    return { event: msg.json<unknown>() };
  } catch {
    return { body_base64: Buffer.from(msg.data).toString('base64'), body_size: msg.data.length };
  }
}

async function bury(js: JetStreamClient, name: string, msg: JsMsg, event: Event, reason: string, work: Work) {
  const letter = {
    subscriber: name, subject: msg.subject, reason, attempts: msg.info.deliveryCount, at: new Date().toISOString(), stream: 'REPOBUS',
    sequence: msg.seq, ...asItCame(msg),
  };
  await js.publish(`dead.${name}.${msg.subject}`, JSON.stringify(letter), { msgID: `${name}.${event.id || '-'}.${msg.seq}` });
  await work.report('failed', reason);
  msg.term();
}

/** What a subscriber may ask for besides. */
export interface Options {
  /** At most one event of a repository is worked on at a time, over all processes; `work.stop.signal` says when that is lost. */
  onePerRepository?: boolean;
  /** One event at a time over all processes, as the stream has them, retries included. */
  inOrder?: boolean;
  /** In place of ACK_WAIT: the same for all processes of this name, and no longer than a bucket of leases that is there was made for. */
  ackWait?: number;
}

type Handler = (event: Event, work: Work) => Promise<void>;
interface Bus { nc: NatsConnection; js: JetStreamClient; jsm: JetStreamManager; name: string; options: Options; isEnding: () => boolean }

async function handleOne({ nc, js, jsm, name, options, isEnding }: Bus, msg: JsMsg, handler: Handler) {
  const attempt = msg.info.deliveryCount, { ackWait = ACK_WAIT } = options;
  let event: Event = { id: '', type: '', data: {} };
  let work = new Work(nc, js, name, event, attempt);
  let lease: Lease | undefined, isHeld = false;
  const keeping = setInterval(async () => {
    msg.working();
    if (isHeld && !await lease!.isKept()) work.stop.abort(new Error('the lease was lost'));
  }, ackWait / 3);
  try {
    const read = (() => { try { return msg.json<Event>(); } catch { return null; } })();
    if (typeof read?.data !== 'object' || !read.data) throw new Reject('no event');
    event = read;
    work = new Work(nc, js, name, event, attempt);
    if (options.onePerRepository && event.data.repo_id) {
      lease = new Lease(js, jsm, name, String(event.data.repo_id), ackWait);
      isHeld = await lease.wait(isEnding);
      if (!isHeld) return msg.nak();
    }
    await work.report('running');
    await handler(event, work);
    await work.report('done');
    await msg.ackAck();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (error instanceof Reject || attempt >= MAX_ATTEMPTS) return await bury(js, name, msg, event, reason, work);
    await work.report('retrying', reason); // whatever else went wrong may go well later
    msg.nak(Math.round(BACKOFF[Math.min(attempt, BACKOFF.length) - 1]! * (0.5 + Math.random() / 2))); // whole, else the server takes it for none
  } finally {
    clearInterval(keeping);
    await lease?.giveBack();
  }
}

/** Where NATS is, and who this is. Answers come to an inbox on which no other subscriber's credentials may listen. */
function connection(name: string) {
  const { NATS_URL: servers = 'nats://127.0.0.1:4222', NATS_CREDS: creds, NATS_CA: caFile } = process.env;
  return {
    servers, name, inboxPrefix: `_INBOX.${name}`, maxReconnectAttempts: -1,
    ...(creds && { authenticator: credsAuthenticator(Uint8Array.from(readFileSync(creds))) }), ...(caFile && { tls: { caFile } }),
  };
}

/** Runs until SIGTERM or SIGINT; what is under way is finished first. */
export async function run(name: string, subjects: string[], handler: Handler, options: Options = {}) {
  let stopping = false;
  let close = () => {};
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => { stopping = true; close(); });
  const nc = await connect(connection(name));
  const js = jetstream(nc);
  const jsm = await jetstreamManager(nc, { checkAPI: false }); // credentials allow what is needed and no more
  while (!stopping) {
    try {
      const filter: string = '@FILTER@';
      const config = {
        durable_name: name, ack_policy: AckPolicy.Explicit, ack_wait: (options.ackWait ?? ACK_WAIT) * 1e6, max_deliver: -1,
        max_ack_pending: options.inOrder ? 1 : 10_000, filter_subject: filter === '>' ? undefined : filter,
      };
      // Made, or brought in line: newer servers refuse to make one that is there and differs.
      const isThere = await jsm.consumers.info('REPOBUS', name).then(() => true, () => false);
      await (isThere ? jsm.consumers.update('REPOBUS', name, config) : jsm.consumers.add('REPOBUS', config));
      break;
    } catch (error) { // Repobus has not run yet
      if (!/not found/.test(String(error))) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
  if (!stopping) {
    const consumer = await js.consumers.get('REPOBUS', name);
    const messages = await consumer.consume({ max_messages: 1 }); // several processes of this name share the work
    close = () => { messages.stop(); };
    for await (const msg of messages) {
      const to = msg.headers?.get('Repobus-To') || name; // an event that an operator replays is for one subscriber
      if (stopping) msg.nak();
      else if (subjects.includes(msg.subject) && to === name) {
        await handleOne({ nc, js, jsm, name, options, isEnding: () => stopping }, msg, handler).catch(console.error); // NATS is away: it comes again
      }
      else msg.ack();
    }
  }
  await nc.drain();
}
