// Load for the bench of the edge, by wrk: closed loop, a fixed number of requests, each different.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

/**
 * The script for wrk: `count` requests, then silence. It says when all are answered, so that nobody has to ask meanwhile.
 * `pause` is in ms, before each request of a connection. Lua's `request` sees the number of the request as `i`.
 */
function script(file, { count, pause, setup, request }) {
  fs.writeFileSync(file, `local count, pause = ${count}, ${pause}
${setup}
local i, answered, bad = 0, 0, 0
function request()
  i = i + 1
  ${request}
end
function delay() if i >= count then return 3600000 end return pause end
function response(status, headers, body)
  if status ~= 200 then bad = bad + 1 if bad < 4 then io.write('refused ', status, ' ', body, '\\n') end end
  answered = answered + 1
  if answered == count - 1 then io.write('complete\\n') io.flush() end -- wrk asks for one that it never sends
end
`);
}

/** Runs wrk with `connections` until all is answered: when that was, the 99th percentile, and what was refused. */
export async function load(dir, url, connections, plan) {
  const file = path.join(dir, 'wrk.lua');
  script(file, plan);
  const child = spawn('wrk', ['-t1', `-c${connections}`, '-d1800s', '--timeout', '60s', '--latency', '-s', file, url]);
  let text = '';
  let end;
  await new Promise((resolve, reject) => {
    const take = (chunk) => {
      text += chunk;
      if (!end && text.includes('complete\n')) {
        end = Date.now();
        resolve();
      }
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', reject);
    child.on('exit', () => reject(new Error(`wrk ended: ${text}`)));
  });
  child.removeAllListeners('exit').kill('SIGINT');
  await new Promise((resolve) => child.on('exit', resolve));
  return { end, p99: /99%\s+(\S+)/.exec(text)?.[1] ?? '?', refused: text.match(/^refused .*/gm) ?? [] };
}

/** What `request` of a plan gives to wrk for an install of acme/b{base + i - 1}, by the person whose turn it is. */
export function installPlan(tokens, base, count, pause = 0) {
  return {
    count, pause, setup: `local tokens = {${tokens.map((token) => `'${token}'`).join(',')}}`,
    request: `local n = ${base} + i - 1
  return wrk.format('POST', '/api/v1/repos/acme/b' .. n .. '/install', { Authorization = 'Bearer ' .. tokens[n % #tokens + 1] })`,
  };
}

/** Deliveries in turn to `hooks` ({id, signature} each), whose body is in `bodyFile`. `round` keeps their ids apart. */
export function webhookPlan(hooks, bodyFile, event, round, count, pause = 0) {
  return {
    count, pause, setup: `local file = io.open('${bodyFile}') local body = file:read('*a') file:close()
local hooks = {${hooks.map(({ id, signature }) => `{'${id}', '${signature}'}`).join(',')}}`,
    request: `local hook = hooks[i % #hooks + 1]
  return wrk.format('POST', '/api/v1/webhooks/github', { ['Content-Type'] = 'application/json', ['X-GitHub-Event'] = '${event}', ['X-GitHub-Hook-ID'] = hook[1], ['X-Hub-Signature-256'] = hook[2], ['X-GitHub-Delivery'] = string.format('%08x-0000-4000-8000-%012x', ${round}, i) }, body)`,
  };
}
