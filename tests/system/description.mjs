// Holds what the edge answers to its description, edge/web/openapi.json: a route, status, header or field that is not
// described fails the test that came upon it. Objects are closed here, though clients are told that fields may be added.

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

const file = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../edge/web/openapi.json');
export const description = JSON.parse(fs.readFileSync(file, 'utf8'));
export const methods = ['get', 'put', 'post', 'patch', 'delete'];

/** Every object schema with named properties allows no other. */
function closed(schema) {
  if (Array.isArray(schema)) return schema.map(closed);
  if (schema === null || typeof schema !== 'object') return schema;
  const copy = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, key.startsWith('example') ? value : closed(value)]));
  if (copy.type === 'object' && copy.properties && copy.additionalProperties === undefined) copy.additionalProperties = false;
  return copy;
}

const ajv = addFormats.default(new Ajv2020({ strict: true, strictRequired: false, allowUnionTypes: true, allErrors: true, validateSchema: false }));
ajv.addVocabulary(Object.keys(description)); // the document itself is taken for a schema around those in it
ajv.addSchema(closed(description), 'description');

/** The published schema of a profile, closed as well. */
export const profileSchema = JSON.parse(fs.readFileSync(path.join(path.dirname(file), 'profile.schema.json'), 'utf8'));
const validateProfile = addFormats.default(new Ajv2020({ strict: true, strictRequired: false, allErrors: true })).compile(closed({ ...profileSchema, $id: 'profile' }));
/** What is wrong with a profile by its schema; '' when nothing is. */
export function profileErrors(profile) {
  return validateProfile(profile) ? '' : new Ajv2020().errorsText(validateProfile.errors, { separator: '\n', dataVar: 'profile' });
}

/** Follows references within the description; also says where the thing lies, as a JSON pointer. */
function resolve(pointer) {
  const at = pointer.split('/').slice(1).reduce((thing, key) => thing?.[key.replaceAll('~1', '/').replaceAll('~0', '~')], description);
  return at?.$ref ? resolve(at.$ref.slice(1)) : { at, pointer };
}
const escape = (key) => key.replaceAll('~', '~0').replaceAll('/', '~1');

/** What is wrong with a value by the schema at this place; '' when nothing is. */
export function schemaErrors(pointer, value) {
  const validate = ajv.getSchema(`description#${pointer.split('/').map(encodeURIComponent).join('/')}`);
  if (!validate) throw new Error(`no schema at ${pointer}`);
  return validate(value) ? '' : ajv.errorsText(validate.errors, { separator: '\n', dataVar: '' });
}

/** Every route that is described: {method, template, pointer, operation}. */
export const operations = Object.entries(description.paths).flatMap(([template, item]) => methods.filter((method) => item[method])
  .map((method) => ({ method, template, operation: item[method], pointer: `/paths/${escape(template)}/${method}` })));

/** The places of everything with a content: {pointer, content}. */
export function responsesOf({ operation, pointer }) {
  return Object.keys(operation.responses).map((status) => ({ status, ...resolve(`${pointer}/responses/${status}`) }));
}

const patterns = Object.keys(description.paths).map((template) => [template, new RegExp(`^${template.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`)]);

function bodyErrors(response, pointer, type, text) {
  const base = type?.split(';')[0].trim().toLowerCase();
  if (!response.content) return text ? `a body, where none is described: ${text}` : '';
  if (!response.content[base]) return `the content type ${type}, where ${Object.keys(response.content)} is described`;
  // Streams, pages and metrics are for other tests to read.
  if (base !== 'application/json' || text === undefined) return '';
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    return `what is no JSON: ${text}`;
  }
  const errors = schemaErrors(`${pointer}/content/${escape(base)}/schema`, json) || (json.profile && profileErrors(json.profile));
  return errors && `${text}\n${errors}`;
}

function headerErrors(response, pointer, headers) {
  return Object.keys(response.headers ?? {}).map((name) => {
    const { at, pointer: where } = resolve(`${pointer}/headers/${escape(name)}`);
    const value = headers.get(name);
    if (value === null) return at.required ? `no header ${name}` : '';
    const errors = schemaErrors(`${where}/schema`, value);
    return errors && `the header ${name}: ${value}\n${errors}`;
  }).find(Boolean) ?? '';
}

function allowErrors(methodsOfPath, headers) {
  const expected = methodsOfPath.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).sort().join();
  const given = headers.get('allow')?.split(', ').sort().join();
  return given === expected ? '' : `Allow: ${given}, where ${expected} is described`;
}

/** What is the same for every address: unknown ones, other methods, broken HTTP. */
function generalErrors(method, template, status, headers, text) {
  const allow = template && methods.filter((method) => description.paths[template][method]).map((m) => m.toUpperCase());
  if (template && status === 204 && method === 'OPTIONS') return allowErrors(allow, headers) || (text ? `a body: ${text}` : '');
  if (!(template ? [400, 405, 413, 417] : [400, 404, 413, 417]).includes(status)) return 'which is described nowhere';
  if (status === 405 && allowErrors(allow, headers)) return allowErrors(allow, headers);
  return method === 'HEAD' ? '' : bodyErrors(description.components.responses.BadRequest, '/components/responses/BadRequest', headers.get('content-type'), text);
}

/** Throws unless this is an answer that is described. `text` is undefined where the body is not looked at. */
export function checkAnswer(method, url, status, headers, text) {
  const where = url.pathname ?? url;
  const template = patterns.find(([, pattern]) => pattern.test(where))?.[0];
  const isHead = method.toUpperCase() === 'HEAD';
  const operation = operations.find((o) => o.template === template && o.method === (isHead ? 'get' : method.toLowerCase()));
  let wrong;
  if (operation?.operation.responses[status]) {
    const { at, pointer } = resolve(`${operation.pointer}/responses/${status}`);
    wrong = (!isHead && bodyErrors(at, pointer, headers.get('content-type'), text)) || headerErrors(at, pointer, headers);
  } else {
    wrong = generalErrors(method.toUpperCase(), operation && status === 405 ? undefined : template, status, headers, text);
  }
  if (wrong) throw new Error(`${method} ${where} answered ${status} with ${wrong}\n(as edge/web/openapi.json has it)`);
}

const edges = new Set();
/** From now on everything that fetch() gets from this origin is checked, before it is handed on. */
export function describe(origin) {
  edges.add(origin);
}

const plainFetch = globalThis.fetch;
globalThis.fetch = async (input, options) => {
  const response = await plainFetch(input, options);
  const url = new URL(input.url ?? input);
  if (!edges.has(url.origin) || response.redirected) return response;
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream');
  checkAnswer(options?.method ?? input.method ?? 'GET', url, response.status, response.headers, isStream ? undefined : await response.clone().text());
  return response;
};
