// From the install to what the subscribers made of it: events as CloudEvents on JetStream, scanner and grapher side
// by side, and nothing lost when anything is away.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { AckPolicy, DeliverPolicy } from '@nats-io/jetstream';
import { HTTP } from 'cloudevents';
import { House, makeRepository, patience, until } from './harness.mjs';
import { bus, event, listen } from './nats.mjs';

let h;
before(async () => { h = await House.start(); });
after(() => h?.stop());

/** All events of the stream so far, read with the official client. */
async function events(url = h.natsUrl) {
  const { nc, jsm } = await bus(url);
  try {
    const info = await jsm.streams.info('REPOBUS');
    const all = [];
    for (let seq = info.state.first_seq; seq <= info.state.last_seq; seq++) {
      const message = await jsm.streams.getMessage('REPOBUS', { seq }).catch(() => null);
      if (message) all.push(message);
    }
    return all;
  } finally {
    await nc.close();
  }
}

test('a repository is connected, scanned and graphed; the events are CloudEvents', async () => {
  const answer = await h.install();
  assert.equal(answer.status, 200);
  const id = answer.json.installation_id;
  await h.untilDone(id);

  const [profile] = await h.rows('select * from profiles where installation_id = $1', [id]);
  assert.equal(profile.commit_sha, h.commit);
  assert.equal(profile.complete, true);
  assert.equal(profile.profile.files, 7);
  assert.equal(profile.profile.languages[0].name, 'JavaScript');
  assert.ok(profile.profile.languages.some((l) => l.name === 'Python'));
  assert.ok(profile.profile.frameworks.some((f) => /express/i.test(f.name)));
  assert.ok(profile.profile.dependencies.some((d) => d.ecosystem === 'npm' && d.name === 'express' && d.requirement === '^4.19.0'));

  const [repository] = await h.rows('select * from graph_repositories');
  assert.equal(repository.commit_sha, h.commit);
  assert.equal(Number(repository.files), 7);
  const paths = (await h.rows('select path from graph_files order by path collate "C"')).map((r) => r.path);
  const real = execFileSync('git', ['ls-tree', '-r', '--name-only', 'HEAD'], { cwd: h.repository, encoding: 'utf8' }).trim().split('\n').sort();
  assert.deepEqual(paths, real);

  const all = await until('three events', async () => {
    const found = await events();
    return found.length >= 3 && found;
  });
  assert.deepEqual(all.map((m) => m.subject).sort(), ['repo.connected', 'repo.graphed', 'repo.scanned']);
  for (const message of all) {
    const event = HTTP.toEvent({ headers: { 'content-type': 'application/cloudevents+json' }, body: new TextDecoder().decode(message.data) });
    assert.equal(event.validate(), true);
    assert.equal(event.specversion, '1.0');
    assert.equal(message.header.get('Nats-Msg-Id'), event.id);
    assert.match(message.header.get('traceparent'), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    assert.equal(event.data.installation_id, id);
    assert.equal(event.data.repo, 'acme/shop');
    assert.ok(event.data.generation > 0 && event.data.repo_id > 0);
    assert.ok(!JSON.stringify(event).includes('token-alice'));
  }
  const traces = new Set(all.map((m) => m.header.get('traceparent').slice(3, 35)));
  assert.equal(traces.size, 1, 'one trace from the install to what followed');
});

test('the tree was fetched once for both subscribers', async () => {
  const requests = await h.control('GET', '/requests');
  const count = (pattern) => requests.filter((r) => pattern.test(`${r.method} ${r.path}`)).length;
  assert.equal(count(/^GET \/repos\/acme\/shop$/), 1);
  assert.equal(count(/^POST .*\/hooks$/), 1);
  assert.equal(count(/^GET .*\/commits\//), 1);
  assert.equal(count(/^GET .*\/git\/trees\//), 1);
});

test('GET repository shows both runs and the profile', async () => {
  const { status, json } = await h.request('GET', '/api/v1/repos/acme/shop');
  assert.equal(status, 200);
  assert.deepEqual(json.runs.map((r) => [r.subscriber, r.state]), [['grapher', 'done'], ['scanner', 'done']]);
  assert.equal(json.profile.files, 7);
});

test('the end of a run is the end, also for one that stood still and speaks of the same event afterwards', async () => {
  const [{ id, generation }] = await h.rows("select id, generation from installations where repo_full_name = 'acme/shop'");
  const { nc, js } = await bus(h.natsUrl);
  const say = (state, started, at, note, subscriber = 'twice', event) => js.publish(`run.${id}.${subscriber}`, JSON.stringify({
    installation_id: Number(id), subscriber, event, generation: Number(generation), state, attempt: 1, done: 0, total: 0, note, error: '',
    at_ms: at, started_ms: started, finished_ms: state === 'done' ? at : 0,
  }));
  const noted = (note) => until(note, async () => (await h.runs(id)).twice?.note === note && (await h.runs(id)).twice.state);
  try {
    await say('running', 1000, 1001, 'the first begins');
    await say('running', 5000, 9000, 'the second, which has the event too, speaks last');
    await noted('the second, which has the event too, speaks last');
    await say('done', 1000, 8000, 'the first is done');
    assert.equal(await noted('the first is done'), 'done');
    await say('running', 5000, 9500, 'the second goes on, and is killed');
    await say('done', 1, 2, '', 'behind-it');
    await until('all of these are read', async () => (await h.runs(id))['behind-it']);
    assert.equal((await h.runs(id)).twice.note, 'the first is done');
    await say('running', 9600, 9601, 'another event');
    assert.equal(await noted('another event'), 'running');
    await say('done', 1000, 8000, 'the first is done, told again');
    await say('done', 9600, 9700, 'the other is done');
    assert.equal(await noted('the other is done'), 'done');
    const told = (await h.runs(id)).twice;
    assert.equal(told.started_at.getTime(), 9600);

    // Acknowledged, but a server that has just been elected gave it to another one all the same: it will not come again.
    await say('done', 9800, 9801, 'done once', 'twice', 'E');
    await say('retrying', 9900, 9901, 'the other one failed', 'twice', 'E');
    await say('done', 1, 3, '', 'behind-it');
    await until('all of these are read', async () => (await h.runs(id))['behind-it'].finished_at.getTime() === 3);
    assert.deepEqual([(await h.runs(id)).twice.state, (await h.runs(id)).twice.note], ['done', 'done once']);
    await say('retrying', 9900, 9902, 'of an event of its own', 'twice', 'F');
    assert.equal(await noted('of an event of its own'), 'retrying');
  } finally {
    await nc.close();
    await h.rows("delete from runs where subscriber in ('twice', 'behind-it')");
  }
});

test('streams and durables are as the catalogue says', async () => {
  const { nc, jsm } = await bus(h.natsUrl);
  const stream = (await jsm.streams.info('REPOBUS')).config;
  assert.deepEqual([...stream.subjects].sort(), ['github.>', 'repo.>']);
  assert.deepEqual([stream.storage, stream.retention, stream.discard], ['file', 'limits', 'new']);
  assert.equal((await jsm.streams.info('RUNS')).config.max_msgs_per_subject, 16);
  assert.ok(await jsm.streams.info('DEAD'));
  for (const durable of ['scanner', 'grapher']) {
    const config = (await jsm.consumers.info('REPOBUS', durable)).config;
    assert.equal(config.ack_policy, AckPolicy.Explicit);
    assert.equal(config.deliver_policy, DeliverPolicy.All);
  }
  await nc.close();
});

test('scanner and grapher work at the same time', async () => {
  // Both hang on GitHub at once: the one on its manifests, the other on nothing but the tree; so the tree hangs for
  // both, and both report that they run.
  await makeRepository(`${h.dir}/second`, { 'go.mod': 'module example.com/x\n\ngo 1.22\n', 'main.go': 'package main\n' });
  await h.control('POST', '/repos', { owner: 'acme', name: 'second', path: `${h.dir}/second` });
  await h.control('POST', '/permissions', { owner: 'acme', repo: 'second', login: 'alice', permission: 'admin' });
  await h.fault({ method: 'GET', path: '/repos/acme/second/commits', kind: 'hang', count: 0 });
  const { json } = await h.install('acme/second');
  await until('both run', async () => {
    const runs = await h.runs(json.installation_id);
    return runs.scanner?.state === 'running' && runs.grapher?.state === 'running';
  });
  await h.control('DELETE', '/faults');
  await h.untilDone(json.installation_id);
});

test('a tree that GitHub truncates is walked folder by folder', async () => {
  const files = {};
  for (let i = 0; i < 60; i++) files[`dir${i % 6}/sub${i % 3}/file${i}.py`] = `print(${i})\n`;
  const commit = await makeRepository(`${h.dir}/wide`, files);
  await h.control('POST', '/repos', { owner: 'acme', name: 'wide', path: `${h.dir}/wide` });
  await h.control('POST', '/permissions', { owner: 'acme', repo: 'wide', login: 'alice', permission: 'admin' });
  await h.control('POST', '/limits', { tree_entries: 10 });
  const { json } = await h.install('acme/wide');
  await h.untilDone(json.installation_id);
  await h.control('POST', '/limits', { tree_entries: 100000 });
  const [profile] = await h.rows('select * from profiles where installation_id = $1', [json.installation_id]);
  assert.equal(profile.profile.files, 60);
  assert.equal(profile.complete, true);
  assert.equal(profile.commit_sha, commit);
  const [graph] = await h.rows('select g.* from graph_repositories g join installations i using (repo_id) where i.id = $1', [json.installation_id]);
  assert.equal(Number(graph.files), 60);
});

test('an empty repository is connected, scanned and graphed', async () => {
  execFileSync('git', ['init', '-q', '-b', 'main', `${h.dir}/empty`]);
  await h.control('POST', '/repos', { owner: 'acme', name: 'empty', path: `${h.dir}/empty` });
  await h.control('POST', '/permissions', { owner: 'acme', repo: 'empty', login: 'alice', permission: 'admin' });
  const { json, status, text } = await h.install('acme/empty');
  assert.equal(status, 200, text);
  await h.untilDone(json.installation_id);
  const [profile] = await h.rows('select * from profiles where installation_id = $1', [json.installation_id]);
  assert.equal(profile.profile.files, 0);
});

test('GitHub away for the subscribers, or not itself: they try again and end right', async () => {
  await makeRepository(`${h.dir}/third`, { 'Cargo.toml': '[package]\nname = "x"\n\n[dependencies]\nserde = "1"\n', 'src/main.rs': 'fn main() {}\n' });
  await h.control('POST', '/repos', { owner: 'acme', name: 'third', path: `${h.dir}/third` });
  await h.control('POST', '/permissions', { owner: 'acme', repo: 'third', login: 'alice', permission: 'admin' });
  await h.fault({ method: 'GET', path: '/repos/acme/third/git/trees', kind: 'status', status: 502, count: 1 });
  await h.fault({ method: 'GET', path: '/repos/acme/third/git/trees', kind: 'garbage', count: 1 }); // from a proxy in between
  const { json } = await h.install('acme/third');
  const runs = await h.untilDone(json.installation_id);
  assert.ok(Math.max(runs.scanner.attempt, runs.grapher.attempt) >= 2);
});

test('a rate limit: the subscribers wait for the time that it names, and spend one attempt on it', async (t) => {
  await makeRepository(`${h.dir}/limited`, { 'go.mod': 'module example.com/limited\n', 'main.go': 'package main\n' });
  await h.control('POST', '/repos', { owner: 'acme', name: 'limited', path: `${h.dir}/limited` });
  await h.control('POST', '/permissions', { owner: 'acme', repo: 'limited', login: 'alice', permission: 'admin' });
  await h.fault({ method: 'GET', path: '/repos/acme/limited/commits', kind: 'rate-limit', seconds: 10, count: 2 }); // one each, where both are as quick
  const told = await listen(t, h.natsUrl);
  const { json } = await h.install('acme/limited');
  const runs = await h.untilDone(json.installation_id);
  for (const name of ['scanner', 'grapher']) {
    const waits = told.filter((run) => run.installation_id === json.installation_id && run.subscriber === name && run.state === 'retrying');
    assert.ok(runs[name].attempt === 1 || waits.length > 0, JSON.stringify(told));
    for (const { error } of waits) assert.match(error, /rate limit is reached: try again after/);
  }
  assert.equal(runs.scanner.attempt + runs.grapher.attempt, 2 + 2, 'a first attempt each, and one for each time they met it');
});

test('the 200 waits for neither NATS nor subscribers, and nothing is lost', async () => {
  await until('what came before is published', async () => (await h.rows('select 1 from outbox where published_at is null')).length === 0);
  await Promise.all([h.get('scanner').stop(), h.get('grapher').stop()]);
  await h.server('nats', 'stop');
  await makeRepository(`${h.dir}/fourth`, { 'pom.xml': '<project><modelVersion>4.0.0</modelVersion><groupId>a</groupId><artifactId>b</artifactId><version>1</version></project>', 'src/A.java': 'class A {}\n' });
  await h.control('POST', '/repos', { owner: 'acme', name: 'fourth', path: `${h.dir}/fourth` });
  await h.control('POST', '/permissions', { owner: 'acme', repo: 'fourth', login: 'alice', permission: 'admin' });
  const { json, status } = await h.install('acme/fourth');
  assert.equal(status, 200);
  await until('the edge has noticed', async () => (await h.request('GET', '/readyz')).json.nats === 'unreachable');
  assert.equal((await h.rows('select 1 from outbox where published_at is null')).length, 1);
  await h.server('nats', 'start');
  await Promise.all([h.launch('scanner'), h.launch('grapher')]);
  await h.untilDone(json.installation_id);
  // An event is marked after it was published: subscribers may be done before.
  await until('all are marked as published', async () => (await h.rows('select 1 from outbox where published_at is null')).length === 0);
});

test('PostgreSQL away: the subscribers wait, say so, and no event pays for it', async () => {
  const [{ id, repo_id, generation }] = await h.rows("update installations set generation = generation + 1 where repo_full_name = 'acme/shop' returning id, repo_id, generation");
  const { nc, js } = await bus(h.natsUrl);
  const ready = async (name) => {
    const response = await fetch(`${h.get(name).url}/readyz`, { signal: AbortSignal.timeout(patience) });
    return { status: response.status, text: await response.text() };
  };
  try {
    await h.server('postgres', 'stop');
    const rescan = event('repo.rescan', { installation_id: Number(id), generation: Number(generation), repo_id: Number(repo_id), repo: 'acme/shop', user_id: 1, reason: 'a test' });
    await js.publish('repo.rescan', JSON.stringify(rescan), { msgID: rescan.id });
    for (const name of ['scanner', 'grapher']) {
      const { text } = await until(`the ${name} says that it waits`, async () => {
        const now = await ready(name);
        return now.status === 503 && now;
      });
      assert.match(text, /waiting: PostgreSQL/);
    }
  } finally {
    await h.server('postgres', 'start');
    await nc.close();
  }
  const runs = await until('both have done it', async () => {
    const now = await h.runs(id);
    return ['scanner', 'grapher'].every((name) => now[name].state === 'done' && now[name].generation === generation) && now;
  });
  for (const name of ['scanner', 'grapher']) {
    assert.equal(runs[name].attempt, 1, name);
    await until(`the ${name} is ready again`, async () => (await ready(name)).status === 200);
  }
});

test('an event that nobody can handle becomes a dead letter with its reason', async () => {
  const { nc, js, jsm } = await bus(h.natsUrl);
  await js.publish('repo.connected', 'this is no CloudEvent', { msgID: 'broken-1' });
  await until('two dead letters', async () => (await jsm.streams.info('DEAD')).state.messages >= 2);
  const info = await jsm.streams.info('DEAD', { subjects_filter: '>' });
  assert.ok(Object.keys(info.state.subjects).every((s) => s.startsWith('dead.')));
  const letter = await jsm.streams.getMessage('DEAD', { seq: info.state.last_seq });
  const body = new TextDecoder().decode(letter.data);
  assert.match(body, /this is no CloudEvent|dGhpcyBpcyBubyBDbG91ZEV2ZW50/, 'the original is kept');
  assert.match(body, /"reason"/);
  await nc.close();
});

test('what a subscriber has given up is told once as repo.failed, and not what failed of such an event', async () => {
  await makeRepository(`${h.dir}/refused`, { 'a.rb': 'puts 1\n' });
  await h.control('POST', '/repos', { owner: 'acme', name: 'refused', path: `${h.dir}/refused` });
  await h.control('POST', '/permissions', { owner: 'acme', repo: 'refused', login: 'alice', permission: 'admin' });
  await h.fault({ method: 'GET', path: '/repos/acme/refused/commits', kind: 'status', status: 404, count: 0 });
  const { json: { installation_id: id } } = await h.install('acme/refused');
  const told = async (subject) => (await events()).filter((m) => m.subject === subject && m.header.get('Nats-Msg-Id') !== 'broken-1').map((m) => m.json());
  const ours = async (subject) => (await told(subject)).filter((e) => e.data.installation_id === id);
  const failed = await until('both have failed', async () => {
    const list = await ours('repo.failed');
    return list.length >= 2 && list.sort((a, b) => (a.data.subscriber < b.data.subscriber ? -1 : 1));
  });
  await h.control('DELETE', '/faults');
  const [connected] = await ours('repo.connected'), runs = await h.runs(id), { generation, repo_id, repo } = connected.data;
  for (const [i, subscriber] of ['grapher', 'scanner'].entries()) {
    assert.deepEqual(failed[i].data, { installation_id: id, generation, repo_id, repo, subscriber, event: connected.id, attempts: runs[subscriber].attempt, error: runs[subscriber].error });
    assert.match(failed[i].data.error, /404|not found|gone/i);
    assert.equal(failed[i].traceparent.slice(3, 35), connected.traceparent.slice(3, 35), 'one trace');
  }

  const { nc, js, jsm } = await bus(h.natsUrl);
  const say = (event, more = {}) => js.publish(`run.${more.installation_id ?? id}.tester`, JSON.stringify({
    installation_id: id, subscriber: 'tester', event, generation, state: 'failed', attempt: 8, done: 0, total: 0, note: '', error: 'no "use"', at_ms: 2000, started_ms: 1000, finished_ms: 2000, ...more,
  }));
  const [gone] = await h.rows("update installations set state = 'disconnected', disconnected_at = now() where repo_full_name = 'acme/empty' returning id, generation");
  try {
    await say('first');
    await say('first', { at_ms: 2001, finished_ms: 2001 }); // read twice, or given again and given up again
    await say(failed[0].id, { at_ms: 2002, finished_ms: 2002 }); // nobody hears of failures of these
    await say('older', { generation: generation - 1, at_ms: 2003, finished_ms: 2003 });
    await say('', { at_ms: 2004, finished_ms: 2004 }); // a program of before
    await say('of what is gone', { installation_id: Number(gone.id), generation: Number(gone.generation) });
    await say('last', { at_ms: 2005, finished_ms: 2005 });
    await until('the last one is told', async () => (await told('repo.failed')).some((e) => e.data.event === 'last'));
    const others = (await told('repo.failed')).filter((e) => e.data.subscriber === 'tester');
    assert.deepEqual(others.map((e) => [e.data.event, e.data.attempts, e.data.error]), [['first', 8, 'no "use"'], ['last', 8, 'no "use"']]);
    await until('the edge has kept all runs, scanner and grapher have let it pass', async () => {
      const infos = await Promise.all([['RUNS', 'edge-runs'], ['REPOBUS', 'scanner'], ['REPOBUS', 'grapher']].map((consumer) => jsm.consumers.info(...consumer)));
      return infos.every((info) => info.num_pending === 0 && info.num_ack_pending === 0);
    });
    for (const name of ['scanner', 'grapher']) assert.equal((await h.runs(id))[name].event, connected.id, 'and have no run of it');
  } finally {
    await nc.close();
    await h.rows("update installations set state = 'active', disconnected_at = null where id = $1", [gone.id]);
    await h.rows("delete from runs where subscriber = 'tester'");
  }
});

test('the stream is lost: it is made again and new events arrive', async () => {
  const { nc, jsm } = await bus(h.natsUrl);
  await jsm.streams.delete('REPOBUS');
  await nc.close();
  await makeRepository(`${h.dir}/fifth`, { 'a.rb': 'puts 1\n' });
  await h.control('POST', '/repos', { owner: 'acme', name: 'fifth', path: `${h.dir}/fifth` });
  await h.control('POST', '/permissions', { owner: 'acme', repo: 'fifth', login: 'alice', permission: 'admin' });
  const { json } = await h.install('acme/fifth');
  await h.untilDone(json.installation_id);
});
