// The fleet under test, and what is done to it: edges, scanners and graphers two of each, NATS, PostgreSQL, and GitHub's
// stand-in. Whatever is broken is whole again some seconds later, so that what is not put right at the end is ours.

import { House, freePort } from '../system/harness.mjs';

const twice = ['edge', 'scanner', 'grapher'].flatMap((name) => [[name, name], [name, `${name}-2`]]);
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export class Fleet {
  kills = {};
  broken = new Set();

  static async start({ neo4j }) {
    const fleet = new Fleet();
    const port = await freePort();
    const h = await House.start({
      programs: [],
      env: {
        BACKEND_URL: `http://127.0.0.1:${port}`, // where GitHub delivers to
        LOG_LEVEL: 'info', RESERVATION_SECONDS: '10', RECONCILE_SECONDS: '1', CHECK_SECONDS: '10', DELIVERIES_SECONDS: '5', GITHUB_TIMEOUT_MS: '4000',
      },
    });
    fleet.h = h;
    h.edgePort = port;
    fleet.secondPort = await freePort();
    if (neo4j) await h.startNeo4j();
    for (const [program, as] of twice) await fleet.launch(program, as);
    return fleet;
  }

  launch(program, as) {
    const env = as === 'edge-2' ? { PORT: String(this.secondPort) } : {};
    return this.h.launch(program, { AS: as, ...env });
  }

  /** Either edge. */
  url(random) {
    return random.one([this.h.edgePort, this.secondPort].map((port) => `http://127.0.0.1:${port}`));
  }

  count(what) {
    this.kills[what] = (this.kills[what] ?? 0) + 1;
  }

  async kill([program, as], random) {
    this.count(`SIGKILL ${program}`);
    await this.h.get(as).kill();
    await pause(random.between(0, 1500));
    await this.launch(program, as);
  }

  async freeze([program, as], random) {
    this.count(`SIGSTOP ${program}`);
    this.h.get(as).child.kill('SIGSTOP');
    await pause(random.between(200, 6000)); // longer than a worker's acknowledgement waits, and than GitHub is waited for
    this.h.get(as).child.kill('SIGCONT');
  }

  async restart([program, as]) {
    this.count(`SIGTERM ${program}`);
    const before = this.h.get(as);
    before.child.kill('SIGTERM');
    await before.exited;
    await this.launch(program, as);
  }

  async server(name, verb, random) {
    this.count(`${verb} ${name}`);
    await this.h.server(name, verb);
    await pause(random.between(0, 1500));
    await this.h.server(name, 'start');
  }

  async github(random) {
    const kind = random.one(['latency', 'status', 'cut-before', 'cut-headers', 'cut-body', 'answer-lost', 'garbage']);
    this.count(`GitHub ${kind}`);
    await this.h.fault({
      kind, path: random.one(['/repos/acme', '/graphql']), method: random.one([undefined, 'POST', 'GET', 'DELETE']),
      count: Math.ceil(random.between(0, 5)), ms: Math.round(random.between(50, 3000)), status: random.one([500, 502, 503]),
    });
  }

  /** Breaks one thing and has it whole again. What is broken already is left alone. */
  async strike(random) {
    const program = random.one(twice);
    const dice = random.next();
    const [victim, blow] = dice < 0.35 ? [program[1], () => this.kill(program, random)]
      : dice < 0.5 ? [program[1], () => this.freeze(program, random)]
        : dice < 0.6 ? [program[1], () => this.restart(program)]
          : dice < 0.7 ? ['nats', () => this.server('nats', random.one(['kill', 'stop']), random)]
            : dice < 0.78 ? ['postgres', () => this.server('postgres', random.one(['kill', 'stop']), random)]
              : ['github', () => this.github(random)];
    if (this.broken.has(victim)) return;
    this.broken.add(victim);
    await blow();
    this.broken.delete(victim);
  }

  /** Several at a time, so that things are broken together. */
  async strikeUntil(isOver, random) {
    await Promise.all(Array.from({ length: 3 }, async () => {
      while (!isOver()) {
        await this.strike(random);
        await pause(random.between(100, 1200));
      }
    }));
    await this.h.control('DELETE', '/faults');
  }

  stop() {
    return this.h.stop();
  }
}
