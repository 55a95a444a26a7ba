// Every fault of the stand-in at every step of the install flow: afterwards there is no orphan hook and no stuck
// reservation, and connecting again works.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { House, until } from './harness.mjs';

let h;
// Short limits on the wait for GitHub, so that hangs end soon.
before(async () => { h = await House.start({ programs: ['edge'], env: { GITHUB_TIMEOUT_MS: '1000' } }); });
after(() => h?.stop());

const steps = {
  'reading the repository': { method: 'GET', path: '/repos/acme/shop' },
  'making the hook': { method: 'POST', path: '/repos/acme/shop/hooks' },
};
const faults = {
  'a server error': { kind: 'status', status: 500 },
  'unavailable': { kind: 'status', status: 503 },
  'cut before the answer': { kind: 'cut-before' },
  'cut within the head': { kind: 'cut-headers' },
  'cut within the body': { kind: 'cut-body' },
  'a hang': { kind: 'hang' },
  'garbage': { kind: 'garbage' },
  'the primary rate limit': { kind: 'rate-limit', seconds: 60, limited: true },
  'the secondary rate limit': { kind: 'secondary-limit', seconds: 60, limited: true },
  'the answer lost': { kind: 'answer-lost' },
};

let people = 0;
/** A person of her own for each case: a token that GitHub limited is left alone until its time. */
async function somebody() {
  const login = `person${++people}`;
  await h.control('POST', '/users', { login, token: `token-${login}`, scopes: 'repo' });
  await h.control('POST', '/permissions', { owner: 'acme', repo: 'shop', login, permission: 'admin' });
  return h.token(login);
}

async function untilNothingIsLeft() {
  await until('no reservation, no hook', async () => {
    const left = await h.rows('select state from installations');
    const hooks = await h.hooks();
    return left.length === 0 && hooks.length === 0;
  });
}

async function forget() {
  await h.control('DELETE', '/faults');
  await h.rows('delete from outbox');
  await h.rows('delete from installations');
  for (const hook of await h.hooks()) {
    await fetch(`${h.githubUrl}/repos/acme/shop/hooks/${hook.id}`, { method: 'DELETE', headers: { authorization: 'Bearer token-alice', 'user-agent': 'test' } });
  }
}

for (const [step, where] of Object.entries(steps)) {
  for (const [name, { limited, ...fault }] of Object.entries(faults)) {
    test(`${name} while ${step}`, async () => {
      await forget();
      const token = await somebody();
      await h.fault({ ...where, ...fault });
      const answer = await h.install('acme/shop', { token });
      if (answer.status !== 200) {
        assert.equal(answer.status, 502, answer.text);
        assert.match(answer.json.detail, /^Failed to install webhook: ./);
        assert.ok(!answer.text.includes('token-'), 'no secret in the message');
        await h.control('DELETE', '/faults');
        await untilNothingIsLeft();
        assert.deepEqual(await h.rows('select * from outbox'), []);
      } else {
        // A cut on a reused connection may be sent again where that is safe; then all must be whole.
        assert.equal((await h.hooks()).length, 1);
      }
      if (!limited && answer.status !== 200) {
        const again = await h.install('acme/shop', { token });
        assert.equal(again.status, 200, again.text);
        assert.equal((await h.hooks()).length, 1);
        assert.equal((await h.rows("select 1 from installations where state = 'active'")).length, 1);
      }
    });
  }
}

test('GitHub stays away while the hook is being undone: the reconciler finishes it later', async () => {
  await forget();
  const token = await somebody();
  await h.fault({ method: 'POST', path: '/repos/acme/shop/hooks', kind: 'answer-lost' });
  // From then on nothing of GitHub's hooks can be reached.
  await h.fault({ method: 'GET', path: '/repos/acme/shop/hooks', kind: 'status', status: 503, count: 0 });
  const answer = await h.install('acme/shop', { token });
  assert.equal(answer.status, 502, answer.text);
  assert.equal((await h.hooks()).length, 1, 'the hook was made over there');
  await h.control('DELETE', '/faults');
  await untilNothingIsLeft();
});

test('the database goes away between hook and record: no hook stays', async () => {
  await forget();
  const token = await somebody();
  await h.fault({ method: 'POST', path: '/repos/acme/shop/hooks', kind: 'latency', ms: 1000 });
  const answer = h.install('acme/shop', { token });
  await until('reserved', async () => (await h.rows("select 1 from installations where state = 'reserved'")).length === 1);
  await h.server('postgres', 'stop');
  assert.notEqual((await answer).status, 200);
  await h.server('postgres', 'start');
  await until('no stuck reservation', async () => {
    const rows = await h.rows("select state from installations where state = 'reserved'");
    const active = (await h.rows("select 1 from installations where state = 'active'")).length;
    return rows.length === 0 && (await h.hooks()).length === active;
  });
});

test('database unreachable: 503, nothing at GitHub, and it recovers', async () => {
  await forget();
  const token = await somebody();
  await h.control('DELETE', '/requests');
  await h.server('postgres', 'stop');
  const answer = await h.install('acme/shop', { token });
  assert.equal(answer.status, 503);
  assert.ok(answer.json.detail);
  assert.deepEqual((await h.control('GET', '/requests')).filter((r) => r.path.startsWith('/repos')), []);
  const ready = await h.request('GET', '/readyz');
  assert.equal(ready.status, 503);
  assert.equal(ready.json.database, 'unreachable');
  assert.equal((await h.request('GET', '/healthz')).status, 200);
  await h.server('postgres', 'start');
  await until('connected', async () => (await h.install('acme/shop', { token })).status === 200);
});
