#!/usr/bin/env node
// Makes language_data.inc from github-linguist's own data, so that a file here is of the language GitHub says it is:
//
//   lib/repo/language_generate.mjs DIR
//
// DIR is linguist's lib/linguist, from its gem (`gem unpack github-linguist`) or a checkout of a release. Run by
// hand when linguist has a new release, never by `make build`; what it writes is committed. It needs the packages
// of tests/package-lock.json. It stops at anything that it does not understand: data that is read half would be a
// wrong answer nobody sees.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const yaml = createRequire(join(here, '../../tests/package.json'))('js-yaml');
const source = process.argv[2];
if (!source) {
  console.error('usage: lib/repo/language_generate.mjs DIR (linguist\'s lib/linguist)');
  process.exit(2);
}
const text = (name) => readFileSync(join(source, name), 'utf8');
const load = (name) => yaml.load(text(name));
const stop = (message) => {
  console.error(`generate: ${message}`);
  process.exit(1);
};

// Patterns of Ruby that RE2 does not know (it never goes back in the text, which is why it is used), said in
// RE2's words. By "extensions/language" of the heuristic, or by the pattern itself. A name in "VERSION" may end
// in digits; [\s&&[^\r\n]] is an intersection.
const octet = String.raw`(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)`;
const blocker = String.raw`(?:[Aa]d[Bb]lock(?:[ \t][Pp]lus)?|u[Bb]lock(?:[ \t][Oo]rigin)?|[Aa]d[Gg]uard)(?:[ \t]\d+(?:\.\d+)*)?`;
const otherwise = {
  '.txt/Hosts File': String.raw`(?i)^${octet}(?:\.${octet}){3}\b(?:/(?:3[0-2]|[12]?\d)\b)?` +
    String.raw`(?:[ \t]+\w(?:[-\w]*\w)?(?:\.\w(?:[-\w]*\w)?)*)*(?:$|\s)`,
  '.txt/Adblock Filter List': String.raw`\A\[${blocker}(?:[ \t]?;[ \t]?${blocker})*\]`,
  '.txt/Vim Help File': String.raw`(?:(?:^|[ \t])(?:vi|[vV]im(?:[<=>]?[0-9]+)?)|[ \t]ex):[^\r\n]*[ \t:]` +
    String.raw`(?:filetype|ft|syntax)[ \t]*=help(?:$|\s|:)`,
  '.tpl/Smarty': String.raw`(?:\A|[^{])\{(?:\*\s|\$|/)?\w*\b`,
  '.pod/Pod 6': String.raw`^[ \t\f\v]*=(?:comment|begin pod|begin para|item\d+)`,
  'vendor\\/((?!-)[-0-9A-Za-z]+(?<!-)\\.)+(com|edu|gov|in|me|net|org|fm|io)':
    String.raw`vendor/(?:[0-9A-Za-z](?:[-0-9A-Za-z]*[0-9A-Za-z])?\.)+(?:com|edu|gov|in|me|net|org|fm|io)`,
};

// In Ruby ^ and $ stand at every line, and (?m) lets the dot match the end of one, which RE2 calls (?s).
function pattern(ruby, key) {
  let re = otherwise[key] ?? otherwise[ruby] ?? ruby;
  if (/\(\?<?[=!]|\(\?<\w|[+*?]\+|&&|\\[gkZGhHRX]/.test(re)) stop(`RE2 does not know ${re} (${key})`);
  re = re.replace(/\(\?([a-z]*)(-?)([a-z]*)([:)])/g, (whole, on, minus, off, end) =>
    whole === '(?:' ? whole : `(?${on.replace('m', 's')}${minus}${off.replace('m', 's')}${end}`);
  return re;
}
const union = (list, key) => [list].flat().map((p, _, all) => (all.length > 1 ? `(?:${pattern(p, key)})` : pattern(p, key))).join('|');

// ---- languages ----------------------------------------------------------------------------------------------

const languages = load('languages.yml');
const inOrder = Object.keys(languages); // linguist's order is that of candidates
const names = [...inOrder].sort((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1));
const index = new Map(names.map((name, i) => [name, i]));
const of = (name) => index.get(name) ?? stop(`no language is called ${name}`);
const popular = new Set(load('popular.yml'));
const types = { programming: 'P', markup: 'M', data: 'D', prose: 'T' };

const table = { extensions: new Map(), names: new Map(), interpreters: new Map(), aliases: new Map() };
const put = (map, key, language) => {
  const list = map.get(key) ?? map.set(key, []).get(key);
  if (!list.includes(of(language))) list.push(of(language));
};
for (const name of inOrder) {
  const language = languages[name];
  for (const extension of language.extensions ?? []) put(table.extensions, extension.toLowerCase(), name);
  for (const file of language.filenames ?? []) put(table.names, file, name);
  for (const program of language.interpreters ?? []) put(table.interpreters, program, name);
  for (const alias of [name.toLowerCase().replace(/\s/g, '-'), ...(language.aliases ?? [])])
    put(table.aliases, alias.toLowerCase(), name);
}

// ---- C ------------------------------------------------------------------------------------------------------

const quote = (s) => `"${s.replace(/[\\"]/g, '\\$&').replace(/[^\x20-\x7e]/gu,
  (c) => [...Buffer.from(c)].map((b) => `\\${b.toString(8).padStart(3, '0')}`).join(''))}"`;
const rows = (items) => {
  const lines = [''];
  for (const item of items) {
    if (lines.at(-1).length + item.length > 110) lines.push('');
    lines[lines.length - 1] += `${lines.at(-1) ? ' ' : '    '}${item},`;
  }
  return lines.join('\n');
};
const lists = [];
const list = (values) => {
  for (let at = 0; at + values.length <= lists.length; at++)
    if (values.every((value, i) => lists[at + i] === value)) return at;
  lists.push(...values);
  return lists.length - values.length;
};
const byBytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));
const keys = (map) => rows([...map.keys()].sort(byBytes).map((key) =>
  `{${quote(key)}, ${list(map.get(key))}, ${map.get(key).length}}`));

const out = [];
const emit = (declaration, body) => out.push(`${declaration} = {`, body, '};', '');
emit('const struct rb_language rb_languages[]', rows(names.map((name) => {
  const { type, group } = languages[name];
  return `{${quote(name)}, ${types[type] ?? stop(`${name} is of type ${type}`)}, ${of(group ?? name)}, ${popular.has(name) ? 1 : 0}}`;
})));
emit('const struct language_key language_extensions[]', keys(table.extensions));
emit('const struct language_key language_file_names[]', keys(table.names));
emit('const struct language_key language_interpreters[]', keys(table.interpreters));
emit('const struct language_key language_aliases[]', keys(table.aliases));
emit('const int16_t language_lists[]', rows(lists.map(String)));
emit('const char *const language_generic_extensions[]', rows(load('generic.yml').extensions.map(quote)));

// ---- patterns of paths --------------------------------------------------------------------------------------

const paths = [];
for (const re of load('vendor.yml')) paths.push(`{${quote(pattern(re))}, RB_PATH_VENDORED}`);
for (const re of load('documentation.yml')) paths.push(`{${quote(pattern(re))}, RB_PATH_DOCUMENTATION}`);
const generated = [...text('generated.rb').matchAll(/!!name\.match\(\/((?:\\.|[^\/\\])*)\/(i?)\)/g)];
if (generated.length < 30) stop('generated.rb is not written as it was: few patterns of names');
for (const [, re, flag] of generated)
  paths.push(`{${quote((flag ? '(?i)' : '') + pattern(re))}, RB_PATH_GENERATED}`);
const extnames = text('generated.rb').match(/def xcode_file\?\s+\[(.*)\]\.include\?\(extname\)/) ?? stop('no xcode_file?');
for (const [, extension] of extnames[1].matchAll(/'\.(\w+)'/g))
  paths.push(`{${quote(`[^/]\\.${extension}$`)}, RB_PATH_GENERATED}`);
emit('const struct language_path_pattern language_path_patterns[]', rows(paths));

// ---- heuristics ---------------------------------------------------------------------------------------------

const { disambiguations, named_patterns: named } = load('heuristics.yml');
const patterns = [], rules = [], heuristics = [], heuristicExtensions = [];
// As linguist reads a rule: the first of these that is there counts, the others are not looked at.
function conditions(rule, key) {
  if (rule.and) return rule.and.flatMap((part) => conditions(part, key));
  if (rule.pattern) return [{ re: union(rule.pattern, key), wanted: 1 }];
  if (rule.negative_pattern) return [{ re: union(rule.negative_pattern, key), wanted: 0 }];
  if (rule.named_pattern)
    return [{ re: union(named[rule.named_pattern] ?? stop(`no pattern ${rule.named_pattern}`), rule.named_pattern), wanted: 1 }];
  return [];
}
const patternAt = new Map();
const tests = []; // (pattern, wanted)
for (const { extensions, rules: its } of disambiguations) {
  const first = rules.length;
  for (const rule of its) {
    const language = [rule.language].flat();
    const held = conditions(rule, `${extensions[0]}/${language[0]}`).map(({ re, wanted }) => {
      if (!patternAt.has(re)) patternAt.set(re, patterns.push(re) - 1);
      return `{${patternAt.get(re)}, ${wanted}}`;
    });
    rules.push(`{${language.length === 1 ? of(language[0]) : -1}, ${tests.length}, ${held.length}}`);
    tests.push(...held);
  }
  heuristics.push(`{${heuristicExtensions.length}, ${extensions.length}, ${first}, ${its.length}}`);
  heuristicExtensions.push(...extensions);
}
out.push(`#define LANGUAGE_PATTERNS ${patterns.length}`);
emit('const char *const language_patterns[LANGUAGE_PATTERNS]', patterns.map((re) => `    ${quote(re)},`).join('\n'));
emit('const struct language_test language_tests[]', rows(tests));
emit('const struct language_rule language_rules[]', rows(rules));
emit('const char *const language_heuristic_extensions[]', rows(heuristicExtensions.map(quote)));
emit('const struct language_heuristic language_heuristics[]', rows(heuristics));

const version = text('VERSION').trim();
const licence = readFileSync(join(source, '../../LICENSE'), 'utf8').trim();
if (!licence.includes('Permission is hereby granted, free of charge')) stop('the licence is not the MIT licence');
writeFileSync(join(here, 'language_data.inc'), [
  `/* Made by language_generate.mjs from github-linguist ${version}, whose licence (MIT) is:`, ' *',
  ...licence.split('\n').map((line) => ` * ${line}`.trimEnd()), ' */',
  `#define LANGUAGE_DATA_VERSION "${version}"`, '', ...out].join('\n'));
console.log(`linguist ${version}: ${names.length} languages, ${table.extensions.size} extensions, ` +
  `${table.names.size} names, ${paths.length} paths, ${patterns.length} patterns in ${heuristics.length} heuristics`);
