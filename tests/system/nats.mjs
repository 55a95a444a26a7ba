// A private nats-server without the rest of the house, and recorded events for it: for tests of what needs the bus
// and nothing else. It is spoken to through the official client.

import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { house, patience, server, until } from './harness.mjs';

/** A `repo.connected` as the edge writes it, with what differs in `data`. */
export function connected(data = {}) {
  return event('repo.connected', { installation_id: 1, generation: 1, repo_id: 11, repo: 'acme/shop', owner: 'acme', name: 'shop', user_id: 7, webhook_id: 21, default_branch: 'main', ...data });
}

export function event(subject, data) {
  return {
    specversion: '1.0', id: randomUUID(), source: '/repobus/edge', type: `dev.repobus.${subject}`, time: new Date().toISOString(),
    datacontenttype: 'application/json', eventversion: 1, data,
  };
}

/** The official client in no hurry: {nc, js, jsm}. By itself it gives a busy server five seconds. */
export async function bus(url, who = {}) {
  const nc = await connect({ servers: url, timeout: patience, ...who });
  return { nc, js: jetstream(nc, { timeout: patience }), jsm: await jetstreamManager(nc, { timeout: patience }) };
}

/** What subscribers tell of their runs until the test `t` ends: a list that grows. A state that lasts for moments is in it, however late one looks. */
export async function listen(t, url) {
  const { nc } = await bus(url);
  t.after(() => nc.close());
  const told = [];
  nc.subscribe('run.>', { callback: (error, message) => told.push(message.json()) });
  await nc.flush();
  return told;
}

/** What deploy/nats/users gives each program and these subscribers, with something in place of nsc that notes its arguments: {user: {pub, sub}}. */
export function permissions(dir, ...subscribers) {
  fs.writeFileSync(path.join(dir, 'nsc'), `#!/bin/sh\nprintf '%s\\n' "$*" >>${dir}/nsc.log\n`, { mode: 0o755 });
  execFileSync(path.join(house, 'deploy/nats/users'), [path.join(dir, 'creds'), ...subscribers], { env: { ...process.env, PATH: `${dir}:${process.env.PATH}` } });
  const users = {};
  for (const [, name, pub, sub] of fs.readFileSync(`${dir}/nsc.log`, 'utf8').matchAll(/^add user --account REPOBUS --name (\S+) --allow-pub (\S+) --allow-sub (\S+)$/gm)) {
    users[name] = { pub: { allow: pub.split(',') }, sub: { allow: sub.split(',') } };
  }
  return users;
}

export class Nats {
  /** With `subscribers`, each may do what deploy/nats/permissions says (userUrl()); who does not say who it is counts as the first. */
  static async start(subscribers = []) {
    const n = new Nats();
    n.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'repobus-nats-'));
    if (subscribers.length) {
      fs.mkdirSync(path.join(n.dir, 'nats'));
      const users = Object.entries(permissions(n.dir, ...subscribers))
        .map(([user, { pub, sub }]) => ({ user, password: 'secret', permissions: { publish: pub.allow, subscribe: sub.allow } }));
      fs.writeFileSync(path.join(n.dir, 'nats/more.conf'), `authorization: ${JSON.stringify({ users: [{ user: 'admin', password: 'secret' }, ...users] })}\nno_auth_user: ${subscribers[0]}\n`);
    }
    n.url = await server('nats', 'start', path.join(n.dir, 'nats'));
    Object.assign(n, await bus(n.url, subscribers.length ? { user: 'admin', pass: 'secret' } : {}));
    return n;
  }

  userUrl(user) {
    return this.url.replace('://', `://${user}:secret@`);
  }

  /** What the server has refused to one of them. */
  refused(user) {
    return fs.readFileSync(path.join(this.dir, 'nats/log'), 'utf8').split('\n').filter((line) => line.includes(`Violation - User "${user}"`));
  }

  /** Until a subscriber has made the streams: without them an event has no home. */
  untilStreams() {
    return until('the streams are there', () => this.jsm.streams.info('DEAD').then(() => true, () => false));
  }

  publish(event) {
    return this.js.publish(event.type.replace('dev.repobus.', ''), JSON.stringify(event), { msgID: event.id });
  }

  /** The last message on `subject` of `stream`, parsed; undefined when there is none. */
  async last(stream, subject) {
    const message = await this.jsm.streams.getMessage(stream, { last_by_subj: subject }).catch(() => null);
    return message?.json();
  }

  async stop() {
    await this.nc?.close();
    await server('nats', 'stop', path.join(this.dir, 'nats'));
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}
