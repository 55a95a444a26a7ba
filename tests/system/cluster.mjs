// Three nats-servers on this machine that make one cluster, each in a folder of its own, kept over restarts.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { freePort, server } from './harness.mjs';

export class Cluster {
  /** Starts `count` servers; `url` names them all. */
  static async start(count = 3) {
    const c = new Cluster();
    c.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'repobus-nats-'));
    c.dirs = Array.from({ length: count }, (_, i) => path.join(c.dir, `nats-${i + 1}`));
    // All at once, for clients and for each other: none of them listens yet.
    const ports = new Set();
    while (ports.size < 2 * count) ports.add(await freePort());
    const [clients, routes] = [[...ports].slice(count), [...ports].slice(0, count)];
    c.dirs.forEach((each, i) => {
      fs.mkdirSync(each, { recursive: true });
      fs.writeFileSync(path.join(each, 'port'), String(clients[i]));
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

  #server(verb, i) {
    return server('nats', verb, this.dirs[i]);
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
