// Draws /openapi.json. Everything of it becomes text nodes, never markup.

const methods = ['get', 'put', 'post', 'patch', 'delete'];
let api;

/** An element: make('a', {href: '#x', class: 'y'}, 'text', child, …). What is null is left out. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null) element.setAttribute(key, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null));
  return element;
}

/** Follows references within the description. */
function resolve(thing) {
  if (!thing?.$ref) return thing;
  const target = thing.$ref.slice(2).split('/').reduce((at, key) => at[key.replaceAll('~1', '/').replaceAll('~0', '~')], api);
  return { ...resolve(target), ...(thing.description ? { description: thing.description } : {}) };
}

/** Words with `code` in them. */
function words(text = '') {
  return text.split('`').map((part, i) => (i % 2 ? make('code', {}, part) : part));
}

function paragraphs(text = '') {
  return text.split('\n\n').filter(Boolean).map((part) => make('p', {}, ...words(part)));
}

// ---- what is sent and answered ----------------------------------------------------------------------------

const alternatives = (schema) => schema.oneOf ?? schema.anyOf ?? [];

/** A schema in a few words. */
function typeOf(given) {
  const schema = resolve(given) ?? {};
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' or ');
  const several = alternatives(schema);
  if (several.length) return several.map(typeOf).filter((type, i, all) => all.indexOf(type) === i).join(' or ');
  if (schema.type === 'array') return `list of ${typeOf(schema.items)}`;
  const limits = [];
  if (schema.minimum !== undefined && schema.maximum !== undefined) limits.push(`${schema.minimum} to ${schema.maximum}`);
  else if (schema.minimum !== undefined) limits.push(`${schema.minimum} or more`);
  if (schema.maxLength) limits.push(`at most ${schema.maxLength} characters`);
  if (schema.format) limits.push(schema.format);
  if (schema.default !== undefined) limits.push(`else ${JSON.stringify(schema.default)}`);
  const type = [schema.type ?? 'anything'].flat().join(' or ');
  return limits.length ? `${type} (${limits.join(', ')})` : type;
}

/** The fields of an object, and those of objects within it. */
function fields(given) {
  let schema = resolve(given) ?? {};
  while (schema.type === 'array') schema = resolve(schema.items);
  const inner = alternatives(schema).map(resolve).find((one) => one.type !== 'null');
  if (inner) return fields(inner);
  if (!schema.properties) return null;
  return make('ul', { class: 'fields' }, Object.entries(schema.properties).map(([name, property]) => make('li', {},
    make('code', {}, name), ' ',
    make('span', { class: 'type' }, typeOf(property), schema.required?.includes(name) ? '' : ', may be absent'),
    resolve(property).description ? [' ', ...words(resolve(property).description)] : null,
    fields(property))));
}

function exampleText(value) {
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}

function content(map = {}) {
  return Object.entries(map).flatMap(([type, media]) => {
    const examples = media.examples ? Object.values(media.examples).map(resolve) : media.example !== undefined ? [{ value: media.example }] : [];
    return [
      make('p', { class: 'quiet' }, type, media.schema?.maxLength === 0 ? ', empty' : ''),
      fields(media.schema),
      ...examples.flatMap(({ summary, value }) => [
        make('p', { class: 'quiet' }, summary ? `Example: ${summary}` : 'Example'),
        make('pre', { tabindex: '0' }, make('code', {}, exampleText(value))),
      ]),
    ];
  });
}

function parameter(given) {
  const it = resolve(given);
  return make('li', {}, make('code', {}, it.name), ' ',
    make('span', { class: 'type' }, `in ${it.in}, ${typeOf(it.schema)}${it.required ? '' : ', optional'}`), ' ', ...words(it.description));
}

function header([name, given]) {
  const it = resolve(given);
  return make('li', {}, make('code', {}, name), ' ', make('span', { class: 'type' }, typeOf(it.schema)), ' ', ...words(it.description));
}

function answer([status, given]) {
  const it = resolve(given);
  return make('details', { class: 'answer' },
    make('summary', {}, make('span', { class: `status s${status[0]}` }, status), ' ', ...words(it.description)),
    make('div', {}, it.headers ? make('ul', { class: 'fields' }, Object.entries(it.headers).map(header)) : null, content(it.content),
      it.headers || it.content ? null : make('p', { class: 'quiet' }, 'Nothing in it.')));
}

// ---- routes -----------------------------------------------------------------------------------------------

function isPublic(operation) {
  return (operation.security ?? api.security ?? []).length === 0;
}

/** How it is asked for from a terminal. */
function command(method, path, operation) {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name) => api.components.parameters[name]?.example ?? name);
  return ['curl -i', method === 'get' ? '' : ` -X ${method.toUpperCase()}`, isPublic(operation) ? '' : ' -H "Authorization: Bearer $TOKEN"', ` ${location.origin}${filled}`].join('');
}

function route({ method, path, operation, parameters }) {
  const id = operation.operationId;
  return make('details', { class: 'route', id, 'data-text': `${method} ${path} ${JSON.stringify(operation)}`.toLowerCase() },
    make('summary', {},
      make('h3', {}, make('span', { class: `method ${method}` }, method.toUpperCase()), ' ', path), ' ',
      isPublic(operation) ? make('span', { class: 'badge' }, 'public') : null,
      make('span', { class: 'what' }, operation.summary)),
    make('div', {},
      paragraphs(operation.description),
      make('pre', { tabindex: '0' }, make('code', {}, command(method, path, operation))),
      parameters.length ? [make('h4', {}, 'Parameters'), make('ul', { class: 'fields' }, parameters.map(parameter))] : null,
      operation.requestBody ? [make('h4', {}, 'Body'), paragraphs(operation.requestBody.description), content(operation.requestBody.content)] : null,
      make('h4', {}, 'Answers'),
      Object.entries(operation.responses).map(answer)));
}

function allRoutes() {
  return Object.entries(api.paths).flatMap(([path, item]) => methods.filter((method) => item[method]).map((method) => ({
    method, path, operation: item[method], parameters: [...(item.parameters ?? []), ...(item[method].parameters ?? [])],
  })));
}

function group(tag, routes) {
  return make('section', { 'aria-labelledby': `group-${tag.name}` },
    make('h2', { id: `group-${tag.name}` }, tag.name), paragraphs(tag.description), routes.map(route));
}

function indexOf(tag, routes) {
  return make('section', {}, make('h2', {}, tag.name), make('ul', {}, routes.map(({ method, operation }) => make('li', { 'data-for': operation.operationId },
    make('a', { href: `#${operation.operationId}` }, make('span', { class: `method ${method}` }, method.toUpperCase()), ' ', operation.summary)))));
}

// ---- the page ---------------------------------------------------------------------------------------------

function openNamed() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!named?.matches('.route')) return;
  named.open = true;
  named.scrollIntoView();
  named.querySelector('summary').focus({ preventScroll: true });
}

function filter(text) {
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const element of document.querySelectorAll('.route')) {
    element.hidden = !wanted.every((word) => element.dataset.text.includes(word));
    document.querySelector(`[data-for="${element.id}"]`).hidden = element.hidden;
    count += !element.hidden;
  }
  for (const section of document.querySelectorAll('main section, nav section')) {
    section.hidden = !section.querySelector('.route:not([hidden]), li[data-for]:not([hidden])');
  }
  document.getElementById('found').textContent = wanted.length ? `${count} ${count === 1 ? 'route' : 'routes'}` : '';
}

function listen() {
  const input = document.getElementById('filter');
  input.disabled = false;
  input.addEventListener('input', () => filter(input.value));
  addEventListener('hashchange', openNamed);
  addEventListener('keydown', (event) => {
    if (event.key === '/' && !event.ctrlKey && !event.metaKey && !event.altKey && document.activeElement !== input) {
      event.preventDefault();
      input.focus();
    } else if (event.key === 'Escape' && document.activeElement === input) {
      input.value = '';
      filter('');
    }
  });
}

async function draw() {
  const routes = document.getElementById('routes');
  try {
    const response = await fetch('/openapi.json');
    if (!response.ok) throw new Error(`the server answers ${response.status}`);
    api = await response.json();
    const all = allRoutes();
    document.querySelector('header').append(...paragraphs(api.info.description));
    for (const tag of api.tags) {
      const its = all.filter(({ operation }) => operation.tags[0] === tag.name);
      if (!its.length) continue;
      routes.append(group(tag, its));
      document.getElementById('index').append(indexOf(tag, its));
    }
    listen();
    openNamed();
  } catch (error) {
    routes.append(make('p', { class: 'note', role: 'alert' }, `The description cannot be read (${error.message}). It lies at `, make('a', { href: '/openapi.json' }, '/openapi.json'), '.'));
  } finally {
    routes.removeAttribute('aria-busy');
  }
}

draw();
