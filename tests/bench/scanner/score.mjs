// The arithmetic of the comparison, and what makes two tools' words for one thing the same. No I/O:
// tests/system/bench-scanner.test.mjs holds it.

export const mean = (list) => {
  const known = list.filter((value) => Number.isFinite(value));
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
};

// ---- languages --------------------------------------------------------------------------------------------------------

/** Weights to shares of 1; nothing but zeros gives nothing. */
export function shares(weights) {
  const sum = Object.values(weights).reduce((total, value) => total + value, 0);
  return sum > 0 ? Object.fromEntries(Object.entries(weights).map(([name, value]) => [name, value / sum])) : {};
}

/** The sum of absolute differences of shares: 0 is the same, 2 is nothing in common; nothing beside something is 2. */
export function distance(a, b) {
  const [x, y] = [shares(a), shares(b)];
  const names = new Set([...Object.keys(x), ...Object.keys(y)]);
  if (names.size && (!Object.keys(x).length || !Object.keys(y).length)) return 2;
  return [...names].reduce((sum, name) => sum + Math.abs((x[name] ?? 0) - (y[name] ?? 0)), 0);
}

/** Name of the largest; of equals the first by name. */
export function top(weights) {
  return Object.entries(weights).sort(([m, a], [n, b]) => b - a || (m < n ? -1 : 1))[0]?.[0] ?? null;
}

/** {language: difference of shares}, largest first: what is behind a distance. */
export function differences(ours, theirs) {
  const [x, y] = [shares(ours), shares(theirs)];
  return [...new Set([...Object.keys(x), ...Object.keys(y)])]
    .map((name) => [name, (x[name] ?? 0) - (y[name] ?? 0)]).sort(([, a], [, b]) => Math.abs(b) - Math.abs(a));
}

// ---- sets -------------------------------------------------------------------------------------------------------------

/**
 * How `found` stands to what is `wanted`. What is only `allowed` is neither missed nor false. Recall of nothing wanted
 * and precision of nothing found are null: no statement.
 */
export function agreement(wanted, found, allowed = new Set()) {
  const missed = [...wanted].filter((one) => !found.has(one));
  const extra = [...found].filter((one) => !wanted.has(one) && !allowed.has(one));
  const judged = [...found].filter((one) => wanted.has(one) || !allowed.has(one)).length;
  return {
    both: wanted.size - missed.length, missed, extra,
    recall: wanted.size ? (wanted.size - missed.length) / wanted.size : null,
    precision: judged ? (judged - extra.length) / judged : null,
  };
}

/** Counts of several agreements in one: each name weighs the same, wherever it stands. */
export function pooled(list) {
  const sum = (pick) => list.reduce((total, one) => total + pick(one), 0);
  const [both, missed, extra] = [sum((one) => one.both), sum((one) => one.missed.length), sum((one) => one.extra.length)];
  return { both, missed, extra, recall: both + missed ? both / (both + missed) : null, precision: both + extra ? both / (both + extra) : null };
}

// ---- names ------------------------------------------------------------------------------------------------------------

const ecosystems = {
  golang: 'go', gomod: 'go', 'crates.io': 'cargo', crates: 'cargo', rust: 'cargo', packagist: 'composer', php: 'composer',
  gem: 'rubygems', ruby: 'rubygems', gradle: 'maven', githubactions: 'github-actions', actions: 'github-actions', github: 'github-actions',
  container: 'docker', oci: 'docker', elixir: 'hex', dart: 'pub', swiftpm: 'swift', pod: 'cocoapods', python: 'pypi', javascript: 'npm',
};
export const ecosystem = (name) => ecosystems[String(name).toLowerCase()] ?? String(name).toLowerCase();

/** A package's name as its ecosystem compares names. */
export function packageName(kind, name) {
  const text = String(name).trim();
  if (kind === 'pypi') return text.toLowerCase().replace(/\[.*/, '').replace(/[-_.]+/g, '-');
  if (kind === 'docker') return text.toLowerCase().replace(/^(index\.)?docker\.io\//, '').replace(/^library\//, '').replace(/[@:][^/]*$/, '');
  if (kind === 'swift') return text.toLowerCase().replace(/^(https?:\/\/|git@)/, '').replace(/\.git$/, '').replace(':', '/').split('/').at(-1);
  // The folder within a module is none of its name: Renovate and Dependabot name it so too.
  if (kind === 'terraform') return text.toLowerCase().replace(/(?<=[^:])\/\/.*/, '').replace(/^registry\.(terraform|opentofu)\.[^/]+\//, '');
  if (['npm', 'maven', 'hex', 'pub', 'cargo'].includes(kind)) return text;
  return text.toLowerCase(); // Go's too: package URLs have them so
}

/** "npm lodash": a key of the sets. */
export const packageKey = (kind, name) => `${ecosystem(kind)} ${packageName(ecosystem(kind), name)}`;

/** A version without what only some write: "v1.2.3" is "1.2.3", "==1.2" is "1.2". */
export const versionText = (version) => String(version ?? '').trim().replace(/^[=\s]+/, '').replace(/^v(?=\d)/, '');

/** pkg:npm/%40a/b@1.0?x=y → {ecosystem, name, version}; null for what is none. */
export function purl(text) {
  const match = /^pkg:([^/]+)\/([^?#]*)/.exec(text ?? '');
  if (!match) return null;
  const at = match[2].lastIndexOf('@');
  const [where, version] = at > 0 ? [match[2].slice(0, at), match[2].slice(at + 1)] : [match[2], ''];
  const kind = ecosystem(match[1]);
  const parts = where.split('/').map(decodeURIComponent);
  return { ecosystem: kind, name: kind === 'maven' ? parts.join(':') : parts.join('/'), version: decodeURIComponent(version) };
}

/** A technology's name without what writers differ in; `same` ({key: key}) joins what stays apart. */
export function technology(name, same = {}) {
  const key = String(name).toLowerCase().replace(/\.js\b|js$/, '').replace(/[^a-z0-9+#]/g, '');
  return same[key] ?? key;
}

// ---- print ------------------------------------------------------------------------------------------------------------

/** A number for people: null is a dash. */
export function figure(value, digits = 2) {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  return typeof value === 'number' ? value.toFixed(digits) : String(value);
}

/** Rows of texts in columns, as Markdown: the first column to the left, the rest to the right. */
export function table(head, rows) {
  const all = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, i) => Math.max(3, ...all.map((row) => [...row[i]].length)));
  const line = (row) => `| ${row.map((cell, i) => (i ? cell.padStart(widths[i] + cell.length - [...cell].length) : cell.padEnd(widths[i]))).join(' | ')} |`;
  return [line(all[0]), `|${widths.map((width, i) => (i ? `${'-'.repeat(width + 1)}:` : '-'.repeat(width + 2))).join('|')}|`, ...all.slice(1).map(line)].join('\n');
}
