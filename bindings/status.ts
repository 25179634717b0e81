/** Results and layout that the core and the host agree on; the other half is in assembly/. */

/** Negative results: assembly/errors.ts. */
export const status = {
  notFound: -1,
  pageMiss: -2,
  needFrames: -3,
  outOfMemory: -4,
  corrupt: -5,
  effectCatalogue: -6,
  effectLarge: -7,
  effectInvalid: -8,
  treeUnknown: -9,
  unordered: -10,
  tableFull: -11,
  overflow: -20,
  underflow: -21,
  divideByZero: -22,
  textInvalid: -23,
} as const;

/** Why a page is corrupt: REASON_ constants of assembly/page/image.ts. */
export const corruptReasons: readonly string[] = [
  "unknown",
  "checksum",
  "kind",
  "layout",
  "order",
  "level",
  "tree",
  "bounds",
  "count",
  "hash",
  "overflow",
];

/** Offsets in the status block, in units of the typed array they are read with. */
export const statusF64 = { page: 0, seq: 2, expiresAt: 3, count: 7, run: 8 } as const;
export const statusU32 = {
  value: 2,
  valueBytes: 3,
  consumed: 8,
  reason: 9,
  keyBytes: 10,
  valuesBytes: 11,
  more: 12,
} as const;

/** Offsets of the row columns in the output area: assembly/page/rows.ts. */
export const columns = {
  keyEnds: 0,
  valueEnds: 16_384,
  flags: 32_768,
  seqs: 36_864,
  expires: 69_632,
  keys: 131_072,
  values: 393_216,
} as const;

/** Where the plan of a gathering lies in the output area, and the room that it has there. */
export const gatherAt: number = columns.values + 4_096;
export const gatherBytes: number = 640 * 1024 - 4_096;

/** Where keys begin in the input area of `getMany`; their lengths, u16 each, come first. */
export const keysOfMany = 8192;

/** Rows of one batch at most. */
export const rowsMax = 4096;

export const scanFlags = {
  reverse: 1,
  afterLow: 2,
  throughHigh: 4,
  keys: 8,
  values: 16,
  meta: 32,
  program: 64,
} as const;

/** What `fold` answers: the end, more behind the key in the column, or rows for the host. */
export const foldEnds = { done: 0, more: 1, undecided: 2 } as const;

/** Record flags. The last two only occur in row columns. */
export const recordFlags = { expires: 1, overflow: 2 } as const;
export const rowSkipped = 254;
export const rowAbsent = 255;

export const treeKinds = { ordered: 1, hashed: 2 } as const;

export const pageBytes = 4096;
/** Content of one overflow page. */
export const overflowContentBytes = 4048;
/** Longest key the core stores. */
export const coreKeyBytesMax = 1040;
