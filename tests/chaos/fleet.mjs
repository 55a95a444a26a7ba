// The fleet under test, and what is done to it: edges, scanners and graphers two of each, NATS of three servers, PostgreSQL,
// the network to both, and GitHub's stand-in. Whatever is broken is whole again some seconds later, so that what is not put
// right at the end is ours.

import { Cluster } from '../system/cluster.mjs';
import { House, freePort } from '../system/harness.mjs';
import { Proxy } from './proxy.mjs';

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
    try {
      h.edgePort = port;
      fleet.secondPort = await freePort();
      await h.server('nats', 'stop'); // in its place:
      fleet.nats = await Cluster.start();
      h.natsUrl = fleet.nats.url;
      fleet.ways = { postgres: await Proxy.start(h.databaseUrl) };
      for (const [i, url] of fleet.nats.urls.entries()) fleet.ways[`nats-${i + 1}`] = await Proxy.start(url);
      const { postgres, ...nats } = fleet.ways;
      Object.assign(h.env, { DATABASE_URL: postgres.url, NATS_URL: Object.values(nats).map((way) => way.url).join(','), NATS_REPLICAS: '3' });
      if (neo4j) await h.startNeo4j();
      for (const [program, as] of twice) await fleet.launch(program, as);
    } catch (error) {
      await fleet.stop().catch(() => {});
      throw error;
    }
    return fleet;
  }

  /** Every program of ours that runs, by the name it has here. */
  get programs() {
    return new Map(twice.map(([, as]) => [as, this.h.get(as)]));
  }

  launch(program, as) {
    const env = as === 'edge-2' ? { PORT: String(this.secondPort) } : {};
    return this.h.launch(program, { AS: as, ...env });
  }

  only = null; // the edge that people ask meanwhile, else either

  /** Either edge. */
  url(random) {
    if (this.only) return this.h.get(this.only).url;
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

  async postgres(verb, random) {
    this.count(`${verb} postgres`);
    await this.h.server('postgres', verb);
    await pause(random.between(0, 1500));
    await this.h.server('postgres', 'start');
  }

  async natsServer(i, random) {
    this.count('kill nats, one of three');
    await this.nats.kill(i);
    await pause(random.between(0, 3000));
    await this.nats.restart(i);
  }

  /** A way to a server is cut, or nothing passes for a while. */
  async network(name, random) {
    const way = this.ways[name], isCut = random.next() < 0.5;
    this.count(`${isCut ? 'cut' : 'stall'} the way to ${name.replace(/-\d$/, '')}`);
    if (isCut) return way.cut();
    way.hold();
    await pause(random.between(100, 4000));
    way.release();
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
    const way = random.one(Object.keys(this.ways)), node = Math.floor(random.between(0, 3));
    const [victim, blow] = dice < 0.32 ? [program[1], () => this.kill(program, random)]
      : dice < 0.45 ? [program[1], () => this.freeze(program, random)]
        : dice < 0.55 ? [program[1], () => this.restart(program)]
          : dice < 0.65 ? [`nats server ${node}`, () => this.natsServer(node, random)]
            : dice < 0.72 ? ['postgres', () => this.postgres(random.one(['kill', 'stop']), random)]
              : dice < 0.84 ? [`way to ${way}`, () => this.network(way, random)]
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

  async stop() {
    await this.h.stop();
    await Promise.all(Object.values(this.ways ?? {}).map((way) => way.stop()));
    await this.nats?.stop();
  }
}
