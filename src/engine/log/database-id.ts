/** The identity of a database: 16 random bytes, given at creation and kept for life. */
export const databaseIdBytes = 16;

/** True when both ids name the same database. */
export function sameDatabase(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** The id as 32 hexadecimal digits, for messages. */
export function databaseName(id: Uint8Array): string {
  return Array.from(id, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
