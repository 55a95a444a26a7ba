// The written contract of the events (docs/asyncapi.json): a valid AsyncAPI 3 document, the same subjects as the
// catalogue in the code, and recorded events that are what it says: all that were ever recorded, since they are frozen
// (tests/lint/frozen). That the code reads them is in tests/unit/bus_data_test.c.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Parser } from '@asyncapi/parser';
import Ajv from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { house } from './harness.mjs';

const text = fs.readFileSync(path.join(house, 'docs/asyncapi.json'), 'utf8');
const document = JSON.parse(text);
const events = path.join(house, 'tests/subscriber/events');
const recordings = fs.readdirSync(events); // SUBJECT.json, SUBJECT.WHAT.json

test('the document is AsyncAPI 3 by its official parser', async () => {
  const { document: parsed, diagnostics } = await new Parser().parse(text);
  assert.deepEqual(diagnostics.filter((each) => each.severity === 0).map((each) => `${each.path.join('.')}: ${each.message}`), []);
  assert.equal(parsed.version(), '3.0.0');
});

test('its subjects are those of the code, and each has a recorded event', () => {
  const header = fs.readFileSync(path.join(house, 'bus/subscriber.h'), 'utf8');
  const inCode = [...header.matchAll(/^#define RB_(?:REPO|GITHUB)_\w+ +"([^"]+)"/gm)].map((match) => match[1]).sort();
  const written = Object.values(document.channels).map((channel) => channel.address).filter((address) => !address.includes('{')).sort();
  assert.ok(inCode.length >= 8);
  assert.deepEqual(written, inCode);
  assert.deepEqual([...new Set(recordings.map((file) => file.split('.', 2).join('.')))].sort(), inCode);
  for (const subject of inCode) assert.ok(recordings.includes(`${subject}.json`), subject);
});

test('each recorded event is what is written', () => {
  const ajv = new Ajv({ strict: false, allErrors: true });
  formats(ajv);
  ajv.addSchema({ $id: 'repobus', components: document.components });
  for (const [key, channel] of Object.entries(document.channels)) {
    if (channel.address.includes('{')) continue;
    const valid = ajv.compile({ allOf: document.components.messages[key].payload.allOf.map((part) => JSON.parse(JSON.stringify(part).replaceAll('"#/', '"repobus#/'))) });
    for (const file of recordings.filter((each) => each.startsWith(`${channel.address}.`))) {
      const event = JSON.parse(fs.readFileSync(path.join(events, file), 'utf8'));
      assert.ok(valid(event), `${file}: ${JSON.stringify(valid.errors)}`);
      assert.ok(!valid({ ...event, data: {} }), `${file}: an event without its fields is none`);
      assert.ok(!valid({ ...event, type: 'dev.repobus.other' }));
    }
  }
});
