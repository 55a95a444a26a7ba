// GitHub's own description of its API (npm @octokit/openapi) as a judge of answers: status, body and headers of a
// response must be what the description says for that route, no field missing and none invented.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import Ajv from 'ajv/dist/2019.js';
import addFormats from 'ajv-formats';

const require = createRequire(import.meta.url);
const file = require.resolve('@octokit/openapi').replace(/index\.js$/, 'generated/api.github.com.json');
export const description = JSON.parse(fs.readFileSync(file));

const ajv = addFormats(new Ajv.default({ allErrors: true, strictTypes: false, strictRequired: false }));
// What says nothing about a value, and what means the same in JSON Schema; the rest is converted below.
const notes = new Set(['title', 'description', 'example', 'examples', 'default', 'deprecated', 'discriminator', 'nullable']);
const kept = new Set(['type', 'format', 'enum', 'required', 'minimum', 'maximum', 'minLength', 'maxLength', 'minItems', 'maxItems', 'pattern', 'uniqueItems', 'additionalProperties']);

function pointed(ref) {
  return ref.slice(2).split('/').reduce((at, part) => at[part.replaceAll('~1', '/').replaceAll('~0', '~')], description);
}

/**
 * An OpenAPI 3.0 schema as JSON Schema 2019-09: `nullable` and `discriminator` become what they mean, references go
 * to schemas added on first use. Objects are closed, so that invented fields are found; parts of an allOf stay open,
 * the whole is closed.
 */
function converted(schema, isOpen = false) {
  if (schema.$ref) return { $ref: added(schema.$ref, isOpen) };
  const out = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'properties') out.properties = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, converted(inner)]));
    else if (key === 'items') out.items = converted(value);
    else if (key === 'allOf') out.allOf = value.map((inner) => converted(inner, true));
    else if (key === 'anyOf' || key === 'oneOf') out[key] = value.map((inner) => alternative(inner, schema, isOpen));
    else if (key === 'additionalProperties' && typeof value === 'object') out[key] = converted(value);
    else if (kept.has(key)) out[key] = value;
    else assert.ok(notes.has(key) || key.startsWith('x-'), `this test cannot read "${key}" of GitHub's description`);
  }
  if ((out.properties || out.allOf) && !isOpen && out.additionalProperties === undefined) out.unevaluatedProperties = false;
  if (!schema.nullable) return out;
  return { anyOf: [{ type: 'null' }, out] };
}

/** One of several: with a discriminator, only the one that the value names; next to `properties`, still open. */
function alternative(inner, parent, isOpen) {
  const one = converted(inner, isOpen || Boolean(parent.properties));
  const { propertyName, mapping } = parent.discriminator ?? {};
  const names = Object.entries(mapping ?? {}).filter(([, ref]) => ref === inner.$ref).map(([name]) => name);
  if (names.length === 0 || pointed(inner.$ref).type === 'array') return one;
  return { allOf: [one, { type: 'object', required: [propertyName], properties: { [propertyName]: { enum: names } } }] };
}

function added(ref, isOpen) {
  const id = `github:${ref.slice(2)}${isOpen ? ':open' : ''}`;
  if (!added.known.has(id)) {
    added.known.add(id); // before converting: schemas refer to themselves
    ajv.addSchema(converted(pointed(ref), isOpen), id);
  }
  return id;
}
added.known = new Set();

const compiled = new Map();
function validator(schema) {
  const key = JSON.stringify(schema);
  if (!compiled.has(key)) compiled.set(key, ajv.compile(converted(schema)));
  return compiled.get(key);
}

/** Fails, saying where, unless `value` is what the schema describes. */
export function conforms(value, schema, what) {
  const validate = validator(schema);
  if (validate(value)) return;
  const errors = validate.errors.map((e) => `  ${e.instancePath || '/'} ${e.message} ${JSON.stringify(e.params)}`);
  assert.fail(`${what} is not what GitHub describes:\n${[...new Set(errors)].slice(0, 20).join('\n')}\n  in ${JSON.stringify(value).slice(0, 2000)}`);
}

/**
 * What the documentation's pages promise of every route and the description therefore leaves out of most:
 * bad credentials, missing rights, rate limits, bad JSON, moved, conditional requests.
 */
const everywhere = { 301: 'basic-error', 304: null, 307: 'basic-error', 400: 'basic-error', 401: 'basic-error', 403: 'basic-error', 404: 'basic-error', 422: 'validation-error' };
const checked = new Map();

/**
 * Fails unless `response` ({status, headers: {lower-case}, data}) is one that the description has for this route.
 * `beyond: true` says that the description has no such status here although the documentation does (`everywhere`):
 * that too fails when it is not so.
 */
export function described(route, response, { beyond = false } = {}) {
  const [method, template] = route.split(' ');
  const operation = description.paths[template]?.[method.toLowerCase()];
  assert.ok(operation, `GitHub describes no ${route}`);
  const what = `${response.status} of ${route}`;
  let answer = operation.responses[response.status];
  assert.equal(answer === undefined, beyond, `${what}: ${answer ? 'is described after all' : 'GitHub describes no such answer'}`);
  if (answer?.$ref) answer = pointed(answer.$ref);
  if (beyond) {
    assert.ok(response.status in everywhere, `${what}: not an answer of every route`);
    const schema = everywhere[response.status];
    answer = schema ? { content: { 'application/json': { schema: { $ref: `#/components/schemas/${schema}` } } } } : {};
  }
  const type = response.headers['content-type']?.split(';')[0];
  if (!answer.content) {
    assert.ok(!response.data, `${what}: no body is described, got ${JSON.stringify(response.data)?.slice(0, 200)}`);
  } else {
    const content = answer.content[type];
    assert.ok(content, `${what}: ${type} is not described (${Object.keys(answer.content)})`);
    conforms(withoutStatus(response), content.schema, what);
  }
  // Link is described for lists and there only when there is another page; the others are always there.
  for (const name of Object.keys(answer.headers ?? {}).filter((n) => n !== 'Link')) {
    assert.ok(response.headers[name.toLowerCase()] !== undefined, `${what}: header ${name} is missing`);
  }
  checked.set(what, (checked.get(what) ?? 0) + 1);
}

/**
 * GitHub has put "status" into its 422 bodies since 2024 and the description's validation-error does not know it:
 * the one field that may be there beyond the description, and it must be right.
 */
function withoutStatus({ status, data }) {
  if (status !== 422 || data?.status === undefined) return data;
  assert.equal(data.status, String(status));
  const { status: _, ...rest } = data;
  return rest;
}

/** "200 of GET /user" and so on: what has been held against the description so far in this file. */
export function seen() {
  return [...checked.keys()].sort();
}

/** Fails unless a delivery ({headers, payload}) is what the description has for this webhook (say `ping`). */
export function describedWebhook(name, { headers, payload }) {
  const { parameters, requestBody } = description['x-webhooks'][name].post;
  conforms(payload, requestBody.content['application/json'].schema, `webhook ${name}`);
  for (const { name: header, schema } of parameters) {
    assert.ok(headers[header.toLowerCase()] !== undefined, `webhook ${name}: header ${header} is missing`);
    conforms(headers[header.toLowerCase()], schema, `header ${header}`);
  }
}
