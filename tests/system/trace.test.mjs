// Traces: what a collector gets to see of an install, from the client's request to the last subscriber, and that nothing
// depends on the collector.

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { House, house, until } from './harness.mjs';

const run = promisify(execFile);
const bodies = [], requests = [];
let h, venv, answer = (response) => response.end('{}');
const collector = http.createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  requests.push(request);
  bodies.push(body);
  answer(response);
});

before(async () => {
  venv = (await run(path.join(house, 'tests/venv'), [])).stdout.trim();
  collector.listen(0, '127.0.0.1');
  await once(collector, 'listening');
  h = await House.start({
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.address().port}/`, OTEL_BSP_SCHEDULE_DELAY: '100',
      OTEL_EXPORTER_OTLP_HEADERS: 'api-key=for%20the%20collector',
    },
  });
});
after(async () => {
  await h?.stop();
  collector.closeAllConnections();
  collector.close();
});

/** All spans that have come, with the name of their service. */
function spans() {
  return bodies.flatMap((body) => JSON.parse(body).resourceSpans).flatMap(({ resource, scopeSpans }) => {
    const { value } = resource.attributes.find(({ key }) => key === 'service.name');
    return scopeSpans.flatMap((scope) => scope.spans.map((span) => ({ ...span, service: value.stringValue })));
  });
}
const attribute = (span, name) => Object.values(span.attributes.find(({ key }) => key === name)?.value ?? {})[0];
const above = (all, span) => all.find(({ spanId, traceId }) => spanId === span.parentSpanId && traceId === span.traceId);
/** How many spans a program has given up. */
const dropped = async (name) => Number(/^repobus_spans_total\{outcome="dropped"\} (\d+)/m.exec(await (await fetch(`${h.get(name).url}/metrics`)).text())[1]);

test('one trace from the client to the last subscriber, by the official definitions, without a secret', async () => {
  const trace = '0af7651916cd43dd8448eb211c80319c', client = 'b7ad6b7169203331';
  const { json } = await h.install('acme/shop', { headers: { traceparent: `00-${trace}-${client}-01` } });
  await h.untilDone(json.installation_id);
  const of = (service, name) => spans().filter((span) => span.service === service && span.name === name && span.traceId === trace);
  const [scanned] = await until('the grapher to have handled what the scanner published', () => {
    const found = of('grapher', 'process repo.scanned');
    return found.length && of('scanner', 'process repo.connected').length && found;
  });
  const all = await until('the edge to have told of its part', () => of('edge', 'publish repo.connected').length
    && of('edge', 'POST /api/v1/repos/{owner}/{repo}/install').length && of('grapher', 'process repo.connected').length && spans());

  const [request] = of('edge', 'POST /api/v1/repos/{owner}/{repo}/install');
  const [publish] = of('edge', 'publish repo.connected');
  assert.equal(request.parentSpanId, client);
  assert.equal(attribute(request, 'http.response.status_code'), '200');
  assert.equal(above(all, publish)?.spanId, request.spanId);
  for (const service of ['scanner', 'grapher']) {
    const [handled] = of(service, 'process repo.connected');
    assert.equal(above(all, handled)?.spanId, publish.spanId, service);
    assert.equal(attribute(handled, 'repobus.installation_id'), String(json.installation_id));
  }
  assert.equal(above(all, scanned)?.spanId, of('scanner', 'process repo.connected')[0].spanId);
  const asked = all.filter((span) => span.parentSpanId === request.spanId && span.name.startsWith('GitHub ')).map(({ name }) => name);
  assert.ok(asked.includes('GitHub create hook'), asked.join());
  assert.equal(new Set(all.map(({ spanId }) => spanId)).size, all.length);

  for (const { headers } of requests) assert.equal(headers['api-key'], 'for the collector');
  for (const secret of ['token-alice', h.secretKey, h.alice]) assert.ok(!bodies.join('').includes(secret));
  assert.equal(Number(execFileSync(path.join(venv, 'bin/python3'), [path.join(house, 'tests/system/otlp_check.py')], { input: bodies.join('\n') })), spans().length);
});

test('what the client does not sample is not sent', async () => {
  const ask = (flags) => h.request('GET', '/api/v1/repos', { headers: { traceparent: `00-${flags.repeat(16)}-00f067aa0ba902b7-${flags}` } });
  await ask('02');
  await ask('03');
  await until('the other one', () => spans().some(({ traceId }) => traceId === '03'.repeat(16)));
  assert.ok(!spans().some(({ traceId }) => traceId === '02'.repeat(16)));
});

test('a collector that refuses, hangs or is away costs spans and nothing else', async () => {
  const held = [];
  answer = (response) => response.writeHead(500).end();
  await h.request('GET', '/api/v1/repos');
  await until('what it refused is counted', async () => (await dropped('edge')) > 0);

  answer = (response) => held.push(response);
  await h.request('GET', '/api/v1/repos');
  await until('it holds a request of the edge', () => held.length > 0);
  const rescan = await h.request('POST', '/api/v1/repos/acme/shop/rescan');
  assert.equal(rescan.status, 202, rescan.text);
  await until('both have done it', async () => (await h.rows("select 1 from runs where state = 'done' and generation = $1", [rescan.json.generation])).length === 2);

  const before = await dropped('edge');
  collector.closeAllConnections();
  collector.close();
  await h.request('GET', '/api/v1/repos');
  await until('what could not be sent is counted', async () => (await dropped('edge')) > before);
});
