/** Lets chosen calls of node:fs fail. The test file mocks `node:fs` with {@link failingFs}. */
type Fs = typeof import("node:fs");
type Call = (...args: never[]) => unknown;

export interface Rule {
  /** Which call, such as `writeSync`. */
  call: string;
  /** After so many calls that match and succeed. */
  after: number;
  errno: string;
  /** Bytes that a write does before it fails; then it is short instead. */
  short?: number;
}

export const failing: { rules: Rule[]; log: string[] } = { rules: [], log: [] };

export function failingFs(fs: Fs): Fs {
  const mocked: Record<string, unknown> = { ...fs };
  for (const name of [
    "writeSync",
    "fsyncSync",
    "fdatasyncSync",
    "openSync",
    "readSync",
    "linkSync",
  ]) {
    const real = fs[name as keyof Fs] as Call;
    mocked[name] = (...args: never[]) => {
      failing.log.push(name);
      const rule = strike(name);
      if (rule === undefined) return real(...args);
      if (rule.short === undefined) throw failureOf(rule);
      const [fd, bytes, offset, , at] = args as unknown as [number, Uint8Array, number, 0, number];
      return fs.writeSync(fd, bytes, offset, rule.short, at);
    };
  }
  for (const name of ["write", "fsync", "fdatasync"]) {
    const real = fs[name as keyof Fs] as Call;
    mocked[name] = (...args: never[]) => {
      failing.log.push(name);
      const rule = strike(name);
      if (rule === undefined) return real(...args);
      const done = args.at(-1) as unknown as (error: Error) => void;
      setImmediate(() => done(failureOf(rule)));
    };
  }
  return mocked as unknown as Fs;
}

function strike(name: string): Rule | undefined {
  const rule = failing.rules.find((one) => one.call === name);
  if (rule === undefined || rule.after-- > 0) return undefined;
  failing.rules = failing.rules.filter((one) => one !== rule);
  return rule;
}

function failureOf({ errno, call }: Rule): Error {
  return Object.assign(new Error(`${errno}: made to fail, ${call}`), { code: errno });
}
