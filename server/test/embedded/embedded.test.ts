import { spawn } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { locateBinaries } from '../../src/db/embedded/binaries.ts';
import { launcherFor } from '../../src/db/embedded/os-user.ts';
import {
  Child,
  cleanUpAfterEach,
  folder,
  isRoot,
  joinHere,
  NOBODY,
  postmaster,
  sql,
  until,
  useClusters,
} from './processes.ts';

cleanUpAfterEach();
const newCluster = useClusters();

const COUNT = 'select count(*)::int as n from t';

/** The user and the process group of the postmaster. */
function whoRuns(dataDir: string): { uid: number; group: number } {
  const pid = postmaster(dataDir);
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return { uid: statSync(`/proc/${pid}`).uid, group: Number(stat.split(') ')[1]?.split(' ')[2]) };
}

describe('the cluster', () => {
  test('is made on the first start, and keeps its data for the next', async () => {
    const dataDir = join(folder(), 'deep', '.purser');
    const first = await joinHere(dataDir, 'server');
    expect(first.created).toBe(true);
    const { host } = first.connection();
    expect(statSync(host).mode & 0o777).toBe(0o700);
    await sql(first.connection, 'create table t as select 1 as a');
    await first.stop();
    expect(postmaster(dataDir)).toBeNull();
    expect(() => statSync(host)).toThrow('ENOENT');
    const second = await joinHere(dataDir, 'server');
    expect(second.created).toBe(false);
    expect(await sql(second.connection, COUNT)).toEqual([{ n: 1 }]);
  });

  test('lives at a path longer than a socket can have', async () => {
    const dataDir = join(folder(), 'a'.repeat(120), 'b'.repeat(120), "it's  data, ");
    const embedded = await joinHere(dataDir, 'server');
    expect(await sql(embedded.connection, 'select 1 as a')).toEqual([{ a: 1 }]);
    expect(embedded.connection().host.length).toBeLessThan(80);
  });

  test('is made once by five processes that start at the same time', async () => {
    const dataDir = folder();
    const starts = Array.from({ length: 5 }, () => Child.start({ dataDir, as: 'command' }));
    const all = await Promise.all(starts);
    const ups = await Promise.all(all.map((child) => child.up()));
    expect(ups.filter(({ created }) => created)).toHaveLength(1);
    expect(new Set(ups.map(({ host }) => host)).size).toBe(1);
    await Promise.all(all.map((child) => child.leave()));
    expect(postmaster(dataDir)).toBeNull();
    expect(readdirSync(dataDir).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test('that is a copy of a running one gets its own PostgreSQL', async () => {
    const dataDir = newCluster('a').slice(0, -'/a'.length);
    const original = await joinHere(join(dataDir, 'a'), 'server');
    await sql(original.connection, 'create table t as select 1 as a; checkpoint');
    await original.stop();
    const again = await joinHere(join(dataDir, 'a'), 'server');
    // -a keeps the owners. The copy also has postmaster.pid and the path of the first one's socket.
    const copying = spawn('cp', ['-a', join(dataDir, 'a'), join(dataDir, 'b')]);
    await new Promise((resolve) => copying.once('exit', resolve));
    const copy = await joinHere(join(dataDir, 'b'), 'server');
    expect(copy.connection().host).not.toBe(again.connection().host);
    expect(postmaster(join(dataDir, 'b'))).not.toBe(postmaster(join(dataDir, 'a')));
    await sql(copy.connection, 'insert into t values (2)');
    expect(await sql(again.connection, COUNT)).toEqual([{ n: 1 }]);
  });
});

if (isRoot) {
  describe('the user of PostgreSQL', () => {
    test('as root, PostgreSQL runs as another user, with no more rights than needed', async () => {
      const base = folder();
      chmodSync(base, 0o755);
      const open = join(base, 'open');
      await joinHere(open, 'server', { binDir: await openBinaries(base) });
      expect(whoRuns(open).uid).not.toBe(0);
      expect(capabilities(postmaster(open))).toBe('0'.repeat(16));
    });

    test('as root, PostgreSQL gets through folders that only root may enter', async () => {
      const base = folder();
      const native = dirname(await locateBinaries());
      cpSync(native, join(base, 'native'), { recursive: true, verbatimSymlinks: true });
      const dataDir = join(base, '.purser');
      const binDir = join(base, 'native', 'bin');
      const embedded = await joinHere(dataDir, 'server', { binDir });
      expect(whoRuns(dataDir).uid).not.toBe(0);
      // The only capability is CAP_DAC_READ_SEARCH, bit 2.
      expect(capabilities(postmaster(dataDir))).toBe('0000000000000004');
      await sql(embedded.connection, 'create table t as select generate_series(1, 1000) as a');
      expect(await sql(embedded.connection, COUNT)).toEqual([{ n: 1000 }]);
    });

    test('as an ordinary user, PostgreSQL runs as the same, and root may join', async () => {
      const dataDir = join(folder(NOBODY), '.purser');
      const child = await Child.start({ dataDir, as: 'server' }, NOBODY);
      const up = await child.up();
      expect(whoRuns(dataDir).uid).toBe(NOBODY.uid);
      const command = await joinHere(dataDir, 'command');
      expect(command.connection().host).toBe(up.host);
      await command.stop();
      await child.leave();
      const root = await joinHere(dataDir, 'server');
      expect(whoRuns(dataDir).uid).toBe(NOBODY.uid);
      await root.stop();
      const again = await Child.start({ dataDir, as: 'server' }, NOBODY);
      expect((await again.up()).created).toBe(false);
    });

    test('no other user may connect, even if the socket can be reached', async () => {
      const base = folder();
      chmodSync(base, 0o755);
      const embedded = await joinHere(join(base, 'data'), 'server');
      const { host } = embedded.connection();
      chmodSync(host, 0o777);
      chmodSync(join(host, '.s.PGSQL.5432'), 0o777);
      const answer = await connectAs({ uid: 1, gid: 1, name: 'daemon' }, embedded.connection());
      expect(answer).toContain('28000');
      expect(await connectAs({ uid: 0, gid: 0, name: 'root' }, embedded.connection())).toBe('in');
    });
  });
}

async function openBinaries(base: string): Promise<string> {
  const to = join(base, 'native');
  const native = dirname(await locateBinaries());
  cpSync(native, to, { recursive: true, verbatimSymlinks: true });
  return join(to, 'bin');
}

function capabilities(pid: number | null): string | undefined {
  return /CapEff:\s*(\w+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
}

/** Connects as an OS user. Resolves with `in`, or with the code of the refusal. */
async function connectAs(user: typeof NOBODY, config: object): Promise<string> {
  const script = `
    import pg from ${JSON.stringify(import.meta.resolve('pg'))};
    const client = new pg.Client(${JSON.stringify(config)});
    client.connect().then(() => 'in', (error) => error.code).then(async (answer) => {
      console.log(answer);
      await client.end();
    });`;
  const launcher = await launcherFor(user, [dirname(process.execPath), import.meta.dirname]);
  const args = ['--input-type=module', '-e', script];
  const { file, args: all, options } = launcher.command(process.execPath, args);
  const child = spawn(file, all, { ...options, stdio: ['ignore', 'pipe', 'inherit'] });
  let answer = '';
  child.stdout.on('data', (bytes) => {
    answer += bytes;
  });
  await new Promise((resolve) => child.once('close', resolve));
  return answer.trim();
}

describe('sharing', () => {
  test('a second server is refused by name, and the first goes on', async () => {
    const dataDir = newCluster();
    const first = await Child.start({ dataDir, as: 'server' });
    const up = await first.up();
    const second = await Child.start({ dataDir, as: 'server' });
    const failed = await second.failed();
    expect(failed.message).toBe('Another Purser server is already running on this data directory.');
    expect(failed.details).toContain(`process ${first.pid}`);
    expect(await sql(() => up, 'select 1 as a')).toEqual([{ a: 1 }]);
    expect(first.events).toHaveLength(1);
    await first.leave();
    expect(postmaster(dataDir)).toBeNull();
  });

  test('a command beside a server leaves PostgreSQL running', async () => {
    const dataDir = newCluster();
    const server = await joinHere(dataDir, 'server');
    const pid = postmaster(dataDir);
    const command = await Child.start({ dataDir, as: 'command' });
    expect((await command.up()).host).toBe(server.connection().host);
    await command.leave();
    expect(await sql(server.connection, 'select 1 as a')).toEqual([{ a: 1 }]);
    expect(postmaster(dataDir)).toBe(pid);
  });

  test('a server takes over from the command that started PostgreSQL', async () => {
    const dataDir = newCluster();
    const command = await Child.start({ dataDir, as: 'command' });
    await command.up();
    const pid = postmaster(dataDir);
    const server = await joinHere(dataDir, 'server');
    await command.leave();
    expect(postmaster(dataDir)).toBe(pid);
    expect(await sql(server.connection, 'select 1 as a')).toEqual([{ a: 1 }]);
    await server.stop();
    expect(postmaster(dataDir)).toBeNull();
  });

  test('any order of coming and leaving works', async () => {
    const dataDir = newCluster();
    const first = await joinHere(dataDir, 'command');
    await sql(first.connection, 'create table t (a int)');
    await first.stop();
    const comeAndLeave = async (pauseMs: number) => {
      for (let round = 0; round < 6; round += 1) {
        const visitor = await joinHere(dataDir, 'command');
        await sql(
          visitor.connection,
          `insert into t select ${pauseMs} from pg_sleep(${pauseMs}/1e3)`,
        );
        await visitor.stop();
      }
    };
    await Promise.all([comeAndLeave(0), comeAndLeave(7), comeAndLeave(15)]);
    const last = await joinHere(dataDir, 'command');
    expect(await sql(last.connection, COUNT)).toEqual([{ n: 18 }]);
  });
});

describe('after kill -9', () => {
  test('of the server, the next one takes its PostgreSQL over, with all that was committed', async () => {
    const dataDir = newCluster();
    const killed = await Child.start({ dataDir, as: 'server' });
    const up = await killed.up();
    await sql(() => up, 'create table t as select 1 as a');
    const pid = postmaster(dataDir);
    // PostgreSQL leads its own process group, so Ctrl-C in the terminal does not reach it.
    expect(whoRuns(dataDir).group).toBe(pid);
    await killed.kill('SIGKILL');
    const next = await joinHere(dataDir, 'server');
    expect(postmaster(dataDir)).toBe(pid);
    expect(await sql(next.connection, COUNT)).toEqual([{ n: 1 }]);
    await next.stop();
    expect(postmaster(dataDir)).toBeNull();
  });

  test('of the postmaster, PostgreSQL comes back by itself, for all its users', async () => {
    const dataDir = newCluster();
    const server = await joinHere(dataDir, 'server');
    const command = await Child.start({ dataDir, as: 'command' });
    await command.up();
    await sql(server.connection, 'create table t as select 1 as a');
    const pid = postmaster(dataDir);
    process.kill(pid ?? 0, 'SIGKILL');
    await until(() => server.lines.includes('PostgreSQL is back'), 'it is back');
    await command.says(/PostgreSQL is back/);
    // Between the two, a busy machine may say that it is not back yet.
    const told = ['lost PostgreSQL; bringing it back', 'PostgreSQL is back'];
    expect(server.lines.filter((line) => told.includes(line))).toEqual(told);
    expect(await sql(server.connection, COUNT)).toEqual([{ n: 1 }]);
    expect(postmaster(dataDir)).not.toBe(pid);
    const rival = await Child.start({ dataDir, as: 'server' });
    expect((await rival.failed()).message).toContain('Another Purser server');
    await server.stop();
    expect(postmaster(dataDir)).not.toBeNull();
    await command.leave();
    expect(postmaster(dataDir)).toBeNull();
  });

  test('of both at once, the next server has all that was committed', async () => {
    const dataDir = newCluster();
    const killed = await Child.start({ dataDir, as: 'server' });
    const up = await killed.up();
    await sql(() => up, 'create table t as select 1 as a');
    process.kill(postmaster(dataDir) ?? 0, 'SIGKILL');
    await killed.kill('SIGKILL');
    const next = await joinHere(dataDir, 'server');
    expect(await sql(next.connection, COUNT)).toEqual([{ n: 1 }]);
  });

  test('in the middle of initdb, the next start begins anew and leaves nothing over', async () => {
    const dataDir = folder();
    const killed = await Child.start({ dataDir, as: 'server' });
    const drafts = () => readdirSync(dataDir).filter((name) => name.startsWith('.postgresql-'));
    await until(() => drafts().length > 0, 'initdb begins');
    await killed.kill('SIGKILL');
    expect(drafts()).toHaveLength(1);
    mkdirSync(join(dataDir, `.postgresql-${process.pid}-dead`));
    const next = await joinHere(dataDir, 'server');
    expect(next.created).toBe(true);
    await next.stop();
    const last = await joinHere(dataDir, 'server');
    expect(last.created).toBe(false);
    expect(drafts()).toEqual([]);
  });
});

describe('a backend that is terminated', () => {
  const end = (application: string, state = 'true') =>
    `select pg_terminate_backend(pid, 5000) from pg_stat_activity
     where application_name = '${application}' and ${state}`;

  test('under a process that uses PostgreSQL is replaced, and PostgreSQL runs on', async () => {
    const dataDir = newCluster();
    const server = await joinHere(dataDir, 'server');
    const pid = postmaster(dataDir);
    await sql(server.connection, end(`purser server ${process.pid}`));
    await until(() => server.lines.includes('PostgreSQL is back'), 'it is back');
    expect(postmaster(dataDir)).toBe(pid);
    const rival = await Child.start({ dataDir, as: 'server' });
    expect((await rival.failed()).message).toContain('Another Purser server');
  });

  test('under a process that joins does not keep it out', async () => {
    const dataDir = newCluster();
    const first = await joinHere(dataDir, 'command');
    // A session that waits for the exclusive lock of all users makes joining processes wait too.
    const wanting = new pg.Client({ ...first.connection(), database: 'postgres' });
    await wanting.connect();
    const { rows } = await wanting.query('select pg_backend_pid() as pid');
    const wanted = wanting.query(`select pg_advisory_lock(${0x70757273}, 1)`).catch(() => 'ended');
    const child = await Child.start({ dataDir, as: 'command' });
    const joins = end(`purser command ${child.pid}`, `wait_event = 'advisory'`);
    await until(async () => (await sql(first.connection, joins)).length > 0, 'it has been ended');
    await until(async () => (await sql(first.connection, joins)).length > 0, 'it tries again');
    await sql(first.connection, `select pg_cancel_backend(${rows[0].pid})`);
    expect(await wanted).toBe('ended');
    await child.up();
    await wanting.end();
  });
});

describe('a socket that is removed under a running PostgreSQL', () => {
  test('is noticed and made anew', async () => {
    const dataDir = newCluster();
    const server = await joinHere(dataDir, 'server');
    const { host } = server.connection();
    rmSync(host, { recursive: true });
    await until(() => server.lines.includes('PostgreSQL is back'), 'it is back');
    expect(server.connection().host).not.toBe(host);
    expect(await sql(server.connection, 'select 1 as a')).toEqual([{ a: 1 }]);
  });

  test('does not keep a newcomer out', async () => {
    const dataDir = newCluster();
    const killed = await Child.start({ dataDir, as: 'server' });
    const { host } = await killed.up();
    await killed.kill('SIGKILL');
    rmSync(host, { recursive: true });
    const next = await joinHere(dataDir, 'server');
    expect(await sql(next.connection, 'select 1 as a')).toEqual([{ a: 1 }]);
  });
});
