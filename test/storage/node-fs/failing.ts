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

export const failing: {
  rules: Rule[];
  /** Names of the calls, in order. */
  log: string[];
  /** With which flags files were opened, in order. */
  flags: unknown[];
  /** While set, each `fsync` with a callback is done, but does not answer before it resolves. */
  held: Promise<void> | undefined;
} = { rules: [], log: [], flags: [], held: undefined };

export function failingFs(fs: Fs): Fs {
  const mocked: Record<string, unknown> = { ...fs };
  for (const name of [
    "writeSync",
    "fsyncSync",
    "fdatasyncSync",
    "openSync",
    "readSync",
    "linkSync",
    "renameSync",
  ]) {
    const real = fs[name as keyof Fs] as Call;
    mocked[name] = (...args: never[]) => {
      failing.log.push(name);
      if (name === "openSync") failing.flags.push(args[1]);
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
      const done = args.at(-1) as unknown as (...answer: unknown[]) => void;
      const held = name === "fsync" ? failing.held : undefined;
      if (rule === undefined && held === undefined) return real(...args);
      if (rule === undefined) {
        const later = (...answer: unknown[]): unknown => held?.then(() => done(...answer));
        return real(...(args.slice(0, -1) as never[]), later as never);
      }
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
