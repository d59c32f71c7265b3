import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { PGBOUNCER } from '../clusters.ts';

/** A real PgBouncer in front of a database. */
export interface PgBouncer {
  /** The URL of the database behind PgBouncer, for a login. */
  url(login: string): string;
  stop(): Promise<void>;
}

/** Starts PgBouncer on the loopback, with these lines in its section `[pgbouncer]`. */
export async function startPgBouncer(
  target: pg.ClientConfig,
  logins: readonly string[],
  lines: readonly string[],
): Promise<PgBouncer> {
  const bridge = await bridgeTo(target);
  const directory = mkdtempSync(join(tmpdir(), 'purser-pgbouncer-'));
  chmodSync(directory, 0o755);
  const port = await freePort();
  const config = join(directory, 'pgbouncer.ini');
  const users = join(directory, 'users.txt');
  writeFileSync(users, logins.map((login) => `"${login}" ""\n`).join(''));
  writeFileSync(
    config,
    [
      '[databases]',
      `${target.database} = host=127.0.0.1 port=${bridge.port}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = trust',
      `auth_file = ${users}`,
      ...lines,
      '',
    ].join('\n'),
  );
  // PgBouncer refuses to run as root.
  const asNobody = process.geteuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const child = spawn(PGBOUNCER, [config], { stdio: ['ignore', 'ignore', 'pipe'], ...asNobody });
  await listening(child);
  return {
    url: (login) => `postgresql://${login}@127.0.0.1:${port}/${target.database}`,
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        const exit = once(child, 'exit');
        child.kill('SIGKILL');
        await exit;
      }
      await bridge.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Resolves when PgBouncer logs that it is up. */
function listening(child: ChildProcess): Promise<void> {
  let output = '';
  return new Promise((resolve, reject) => {
    child.stderr?.on('data', (data) => {
      output += data;
      if (/process up/.test(output)) resolve();
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`PgBouncer ended with ${code}: ${output}`)));
  });
}

/** A loopback port that forwards to PostgreSQL's Unix socket, which only this user may open. */
async function bridgeTo(target: pg.ClientConfig) {
  const path = join(String(target.host), `.s.PGSQL.${target.port}`);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = createConnection(path);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  const port = await listen(server);
  return {
    port,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as { port: number }).port;
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}
