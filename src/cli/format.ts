/** Numbers as people read them. JSON always has the exact ones. */

const byteUnits = ["KiB", "MiB", "GiB", "TiB"] as const;

export function byteCount(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  let value = bytes;
  let unit = -1;
  while (value >= 1024 && unit < byteUnits.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${byteUnits[unit]}`;
}

export function count(value: number | bigint): string {
  return value.toLocaleString("en");
}

/** "1 page", "2 pages". */
export function counted(value: number | bigint, one: string, many: string = `${one}s`): string {
  return `${count(value)} ${Number(value) === 1 ? one : many}`;
}

export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  return ms < 100_000 ? `${(ms / 1_000).toFixed(1)} s` : `${count(Math.round(ms / 1_000))} s`;
}

export function moment(unixMs: number): string {
  return new Date(unixMs).toISOString();
}
