import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { linkLibraries } from '../../src/db/embedded/binaries.ts';
import { OperatorError } from '../../src/operator-error.ts';
import {
  Child,
  cleanUpAfterEach,
  type Failed,
  folder,
  isRoot,
  joinHere,
  NOBODY,
  postmaster,
  removeSockets,
  sql,
  until,
  useClusters,
} from './processes.ts';

cleanUpAfterEach();
const newCluster = useClusters();

/** The error of a join that fails. No PostgreSQL may be left running then. */
async function refusal(dataDir: string, binDir?: string): Promise<Failed> {
  const more = { patienceMs: 1_500, ...(binDir !== undefined && { binDir }) };
  const error = await joinHere(dataDir, 'server', more).then(
    () => new Error('it started'),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof OperatorError)) throw error;
  return error;
}

async function stoppedCluster(): Promise<string> {
  const dataDir = newCluster();
  const embedded = await joinHere(dataDir, 'server');
  await sql(embedded.connection, 'create table t as select 1 as a');
  await embedded.stop();
  return dataDir;
}

describe('the operator is told', () => {
  test('that the cluster is of another version', async () => {
    const dataDir = await stoppedCluster();
    writeFileSync(join(dataDir, 'postgresql', 'PG_VERSION'), '15\n');
    const { message, details, solution } = await refusal(dataDir);
    expect(message).toContain('another version');
    expect(details).toMatch(/is of PostgreSQL 15; .* PostgreSQL 18/);
    expect(solution).toContain('PURSER_DATA_DIR');
  });

  test('that a file is where a folder should be', async () => {
    const base = folder();
    writeFileSync(join(base, 'data'), '');
    expect((await refusal(join(base, 'data'))).message).toContain('a file is where a folder');
    expect((await refusal(join(base, 'data', 'deeper'))).message).toContain('a file is where');
    mkdirSync(join(base, 'other'));
    writeFileSync(join(base, 'other', 'postgresql'), '');
    expect((await refusal(join(base, 'other'))).message).toContain('a file is where a folder');
  });

  test('that the folder holds something else, which is left alone', async () => {
    const dataDir = folder();
    mkdirSync(join(dataDir, 'postgresql'));
    writeFileSync(join(dataDir, 'postgresql', 'letter.txt'), 'dear');
    expect((await refusal(dataDir)).message).toContain('not a PostgreSQL cluster');
    expect(readFileSync(join(dataDir, 'postgresql', 'letter.txt'), 'utf8')).toBe('dear');
  });

  test('the last output of a PostgreSQL that dies at the start', async () => {
    const dataDir = await stoppedCluster();
    rmSync(join(dataDir, 'postgresql', 'global', 'pg_control'));
    const { message, details } = await refusal(dataDir);
    expect(message).toBe('PostgreSQL did not start.');
    expect(details).toContain('could not find the database system');
    expect(details).not.toContain('is ready to accept connections');
  });

  test('that the programs are missing', async () => {
    const base = folder();
    expect((await refusal(base, join(base, 'bin'))).details).toContain('ENOENT');
    mkdirSync(join(base, 'bin'));
    expect((await refusal(base, join(base, 'bin'))).solution).toContain('DATABASE_URL');
  });

  test('that a PostgreSQL does not answer, and gets no second one on its data', async () => {
    const dataDir = newCluster();
    const server = await joinHere(dataDir, 'server');
    const pid = postmaster(dataDir) ?? 0;
    process.kill(pid, 'SIGSTOP');
    try {
      const { message, details } = await refusal(dataDir);
      expect(message).toBe('PostgreSQL does not answer.');
      expect(details).toContain(`process ${pid}`);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    expect(postmaster(dataDir)).toBe(pid);
    expect(await sql(server.connection, 'select 1 as a')).toEqual([{ a: 1 }]);
  });

  if (isRoot) {
    test('that the folder may not be written to', async () => {
      const base = folder(NOBODY);
      chmodSync(base, 0o555);
      const inside = await Child.start({ dataDir: join(base, 'data'), as: 'server' }, NOBODY);
      expect((await inside.failed()).message).toContain('not permitted');
      const itself = await Child.start({ dataDir: base, as: 'server' }, NOBODY);
      const failed = await itself.failed();
      expect(failed.message).toContain('not permitted');
      expect(failed.details).toContain('EACCES');
    });

    test('the owner of the cluster', async () => {
      const base = folder();
      chmodSync(base, 0o755);
      const dataDir = join(base, 'data');
      const server = await joinHere(dataDir, 'server');
      const user = { uid: 1, gid: 1, name: 'daemon' };
      const child = await Child.start({ dataDir, as: 'command' }, user);
      const { message, details } = await child.failed();
      expect(message).toBe('The data directory belongs to another user.');
      // root owns the folder, and PostgreSQL's user owns the cluster in it. If daemon cannot enter
      // the checkout, the error names the cluster.
      expect(details).toMatch(/belongs to (root|postgres|nobody); Purser runs as daemon \(uid 1\)/);
      await server.stop();
    });

    if (canMount()) {
      test('that the disk is full, for the first start and for a later one', async () => {
        await withDisk('8m', async (disk) => {
          expect((await refusal(disk)).message).toBe('The disk of the data directory is full.');
          expect(readdirSync(disk).filter((name) => name.startsWith('.'))).toEqual([]);
        });
        await withDisk('120m', async (disk) => {
          const embedded = await joinHere(disk, 'server');
          await embedded.stop();
          spawnSync('dd', ['if=/dev/zero', `of=${join(disk, 'filler')}`, 'bs=64k']);
          expect((await refusal(disk)).message).toBe('The disk of the data directory is full.');
          rmSync(join(disk, 'filler'));
          await (await joinHere(disk, 'server')).stop();
        });
      });
    }
  }
});

function canMount(): boolean {
  const at = mkdtempSync('/tmp/embedded-test-');
  const isMounted = spawnSync('mount', ['-t', 'tmpfs', 'none', at]).status === 0;
  if (isMounted) spawnSync('umount', [at]);
  rmdirSync(at);
  return isMounted;
}

async function withDisk(size: string, use: (disk: string) => Promise<void>): Promise<void> {
  const disk = folder();
  spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'none', disk]);
  try {
    await use(disk);
  } finally {
    removeSockets(disk);
    await until(() => spawnSync('umount', [disk]).status === 0, 'the disk is unmounted');
  }
}

describe('a stale postmaster.pid', () => {
  /** Writes the postmaster.pid that a killed PostgreSQL would have left. */
  function stalePidFile(dataDir: string, pid: number | string): void {
    const directory = join(dataDir, 'postgresql');
    const { uid, gid } = statSync(directory);
    const lines = [pid, directory, 1_700_000_000, 5432, '/tmp/gone', '', '1 2', 'ready   '];
    const path = join(directory, 'postmaster.pid');
    writeFileSync(path, pid === '' ? '' : `${lines.join('\n')}\n`, { mode: 0o600 });
    spawnSync('chown', [`${uid}:${gid}`, path]);
  }

  test('of a dead process, of none, and of one with no contents keeps nobody out', async () => {
    const dataDir = await stoppedCluster();
    const dead = spawnSync('true').pid;
    for (const content of [dead, 'x', '']) {
      stalePidFile(dataDir, content);
      const embedded = await joinHere(dataDir, 'server');
      expect(await sql(embedded.connection, 'select a from t')).toEqual([{ a: 1 }]);
      await embedded.stop();
    }
  });

  test('of a process that is now another of the same user keeps nobody out', async () => {
    const dataDir = await stoppedCluster();
    const { uid, gid } = statSync(join(dataDir, 'postgresql'));
    const unrelated = spawn('sleep', ['60'], { cwd: '/', ...(isRoot && { uid, gid }) });
    try {
      stalePidFile(dataDir, unrelated.pid ?? 0);
      const embedded = await joinHere(dataDir, 'server');
      expect(await sql(embedded.connection, 'select a from t')).toEqual([{ a: 1 }]);
      expect(unrelated.exitCode ?? unrelated.signalCode).toBeNull();
    } finally {
      unrelated.kill('SIGKILL');
    }
  });
});

describe('a package whose install script did not run', () => {
  function packageWithoutLinks(): string {
    const base = folder();
    mkdirSync(join(base, 'native', 'lib'), { recursive: true });
    const links = ['libpq.so', 'libpq.so.5'].map((name) => ({
      source: 'native/lib/libpq.so.5.18',
      target: `native/lib/${name}`,
    }));
    writeFileSync(join(base, 'native', 'pg-symlinks.json'), JSON.stringify(links));
    return base;
  }

  test('gets its links, once, however many make them at the same time', async () => {
    const base = packageWithoutLinks();
    await Promise.all(Array.from({ length: 10 }, () => linkLibraries(base)));
    expect(readlinkSync(join(base, 'native/lib/libpq.so'))).toBe('libpq.so.5.18');
    expect(readlinkSync(join(base, 'native/lib/libpq.so.5'))).toBe('libpq.so.5.18');
  });

  test('and that cannot be completed is an error for the operator', async () => {
    const base = packageWithoutLinks();
    rmSync(join(base, 'native/lib'), { recursive: true });
    const error = await linkLibraries(base).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OperatorError);
    expect((error as OperatorError).solution).toContain('DATABASE_URL');
  });
});
