// Three nats-servers on this machine that make one cluster, each in a folder of its own, kept over restarts.

import { execFile } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { house } from './harness.mjs';

const run = promisify(execFile);

/** A port of the range that tests/servers/nats uses, below what the kernel hands out to clients. */
async function freePort() {
  for (;;) {
    const port = 20000 + Math.floor(Math.random() * 12000);
    const free = await new Promise((resolve) => {
      const server = net.createServer().once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

export class Cluster {
  /** Starts `count` servers; `url` names them all. */
  static async start(count = 3) {
    const c = new Cluster();
    c.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'repobus-nats-'));
    c.dirs = Array.from({ length: count }, (_, i) => path.join(c.dir, `nats-${i + 1}`));
    const routes = [];
    while (new Set(routes).size < count) routes.splice(0, count, ...(await Promise.all(c.dirs.map(freePort))));
    c.dirs.forEach((each, i) => {
      fs.mkdirSync(each, { recursive: true });
      fs.writeFileSync(path.join(each, 'more.conf'), [
        `server_name: n${i + 1}`, 'cluster {', '  name: repobus', `  listen: 127.0.0.1:${routes[i]}`,
        '  no_advertise: true', // clients know the addresses they were given and no others
        `  routes: [${routes.map((port) => `"nats://127.0.0.1:${port}"`).join(', ')}]`, '}', '',
      ].join('\n'));
    });
    c.urls = await Promise.all(c.dirs.map((each, i) => c.#server('start', i)));
    c.url = c.urls.join(',');
    return c;
  }

  async #server(verb, i) {
    const { stdout } = await run(path.join(house, 'tests/servers/nats'), [verb, this.dirs[i]]);
    return stdout.trim();
  }

  kill(i) {
    return this.#server('kill', i);
  }

  restart(i) {
    return this.#server('start', i);
  }

  async stop() {
    await Promise.all(this.dirs.map((_, i) => this.#server('stop', i)));
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}
