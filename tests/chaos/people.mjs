// People and GitHub as clients: what they ask for, how often they try again, and what each was told. Everything that is
// checked afterwards is held against this record and not against what Repobus thinks of itself.

import { randomUUID } from 'node:crypto';
import { sign } from '@octokit/webhooks-methods';
import { until } from '../system/harness.mjs';

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const patience = 300_000; // for an answer that settles one request: edges are killed under it, and this machine is busy

export class People {
  /** What each was told: "login repo" → 'connected', 'disconnected' or 'unsure'. */
  told = new Map();
  installs = new Map(); // installation → "login repo", for each answer of 200
  webhooks = new Map(); // delivery → {repo} for each answer of 200
  counts = { requests: 0, unclear: 0 };

  constructor(fleet, random) {
    Object.assign(this, { fleet, h: fleet.h, random, tokens: new Map() });
  }

  async add(login) {
    await this.h.control('POST', '/users', { login, token: `token-${login}`, scopes: 'repo' });
    this.tokens.set(login, await until(`a token for ${login}`, () => this.h.token(login)));
  }

  /** One request to either edge; null where no answer came. */
  async ask(method, where, random, options) {
    this.counts.requests++;
    try {
      return await this.h.request(method, where, { url: this.fleet.url(random), ...options });
    } catch {
      this.counts.unclear++;
      return null;
    }
  }

  /** Asks until `settles` says of an answer what it means. */
  async insist(method, where, random, options, settles) {
    for (const end = Date.now() + patience; Date.now() < end;) {
      const answer = await this.ask(method, where, random, options);
      const meaning = answer && settles(answer);
      if (meaning) return meaning;
      await pause(random.between(50, 400));
    }
    throw new Error(`${method} ${where}: no answer that settles it within ${patience / 1000} s`);
  }

  async connect(login, repo, random) {
    const key = `${login} ${repo}`;
    this.told.set(key, 'unsure');
    await this.insist('POST', `/api/v1/repos/${repo}/install`, random, { token: this.tokens.get(login) }, ({ status, json }) => {
      if (status === 200) this.installs.set(json.installation_id, key);
      return status === 200 || (status === 400 && json.detail === 'Repo already connected');
    });
    this.told.set(key, 'connected');
  }

  async disconnect(login, repo, random) {
    const key = `${login} ${repo}`;
    this.told.set(key, 'unsure');
    await this.insist('DELETE', `/api/v1/repos/${repo}/install`, random, { token: this.tokens.get(login) }, ({ status }) => status === 200 || status === 404);
    this.told.set(key, 'disconnected');
  }

  /** Asked for once: 409 is as good an answer. */
  async rescan(login, repo, random) {
    await this.ask('POST', `/api/v1/repos/${repo}/rescan`, random, { token: this.tokens.get(login) });
  }

  /** A webhook as GitHub sends it, again with the same delivery until it is taken, as its list of failed ones is used. */
  async webhook(repo, random) {
    const [hook] = await this.h.hooks(repo);
    if (!hook) return;
    const [row] = await this.h.rows("select repo_id from installations where webhook_id = $1 and state = 'active' limit 1", [hook.id]).catch(() => []);
    if (!row) return;
    const delivery = randomUUID();
    const body = JSON.stringify({
      action: 'opened', repository: { id: Number(row.repo_id), full_name: repo },
      issue: { number: 1 + this.webhooks.size, title: delivery, state: 'open', created_at: '2026-01-01T00:00:00Z', updated_at: '2026-01-01T00:00:00Z', user: { id: 7, login: 'g' } },
    });
    const headers = {
      'content-type': 'application/json', 'x-github-event': 'issues', 'x-github-delivery': delivery, 'x-github-hook-id': String(hook.id),
      'x-github-hook-installation-target-id': String(row.repo_id), 'x-hub-signature-256': await sign(hook.secret, body),
    };
    const taken = await this.insist('POST', '/api/v1/webhooks/github', random, { token: null, body, headers }, ({ status, json }) => {
      if (status === 200) return json?.status ?? 'taken';
      return status === 401 && 'gone'; // its hook has been replaced or removed meanwhile
    });
    if (taken !== 'gone') this.webhooks.set(delivery, { repo, hook: hook.id });
  }

  /** The life of one repository in the hands of its people. */
  async live(repo, logins, webhooks) {
    const random = this.random.for(repo);
    const [first, second] = logins;
    await this.connect(first, repo, random);
    if (random.next() < 0.3) await Promise.all([this.connect(second, repo, random), this.connect(first, repo, random)]);
    for (let i = 0; i < webhooks; i++) await this.webhook(repo, random);
    if (random.next() < 0.4) await this.rescan(first, repo, random);
    if (random.next() < 0.4) await this.disconnect(first, repo, random);
    if (random.next() < 0.2) await this.connect(first, repo, random);
  }
}
