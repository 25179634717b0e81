/** The log by itself: effects read back, each rule of theirs broken, places told, segments made. */
import { effectOp, readEffects } from "../../../../src/engine/log/effect.ts";
import { EffectBuffer } from "../../../../src/engine/log/effect-buffer.ts";
import { CairnError } from "../../../../src/errors.ts";

import { MapLog } from "../../../engine/log/map-log.ts";
import { appendSync, payloadOf, readAll, writerOf } from "../../../engine/log/session.ts";

type Written = readonly [op: number, tree: number, key: string, value: string, expiresAt?: number];

const written: readonly Written[] = [
  [effectOp.put, 1, "key", "value", 77],
  [effectOp.put, 2, "", ""],
  [effectOp.delete, 2 ** 32 - 1, "other", ""],
  [effectOp.deleteRange, 3, "a", "b"],
  [effectOp.deleteRange, 3, "a", ""],
  [effectOp.clear, 4, "", ""],
  [effectOp.createTree, 5, "", "{}"],
  [effectOp.dropTree, 6, "", ""],
];

/** Bytes to change in the put above, which lies first. */
const spoiled: readonly (readonly [at: number, byte: number])[] = [
  [0, 0],
  [0, 7],
  [0, effectOp.delete],
  [0, effectOp.clear],
  [0, effectOp.createTree],
  [0, effectOp.dropTree],
  [1, 2],
  [2, 255],
  [11, 255],
  [12, 1],
  [15, 1],
  [23, 0xff],
];

function encoded(): Uint8Array {
  const buffer = new EffectBuffer({ keyBytesMax: 64, capacityBytes: 1 });
  const bytes = (text: string): Uint8Array => Buffer.from(text);
  for (const [op, tree, key, value, expiresAt] of written) {
    if (op === effectOp.put) buffer.put(tree, key, bytes(value), expiresAt);
    else if (op === effectOp.delete) buffer.delete(tree, key);
    else if (op === effectOp.deleteRange) buffer.deleteRange(tree, key, value);
    else if (op === effectOp.clear) buffer.clear(tree);
    else if (op === effectOp.createTree) buffer.createTree(tree, bytes(value));
    else buffer.dropTree(tree);
  }
  return buffer.bytes;
}

function codeOf(bytes: Uint8Array): string {
  try {
    return `${[...readEffects(bytes)].length}`;
  } catch (error) {
    return error instanceof CairnError ? error.code : String(error);
  }
}

/** A damaged frame in the middle is refused, and the place of it told. */
function checkPlace(): void {
  const log = new MapLog();
  const writer = writerOf(log, { firstBytes: 8192, maxBytes: 8192 });
  const ends: number[] = [];
  for (let seq = 1; seq <= 3; seq++) {
    appendSync(writer, payloadOf(seq, 40));
    writer.syncSync();
    ends.push(writer.position.offset);
  }
  const [offset = 0] = ends;
  const bytes = log.segments.get(1) as Uint8Array;
  bytes[offset + 90] = (bytes[offset + 90] as number) ^ 1;
  let told: unknown;
  try {
    readAll(log);
  } catch (error) {
    told = error instanceof CairnError ? error.details : error;
  }
  const found = JSON.stringify(told);
  const parts = [`"offset":${offset}`, '"segment":1', '"seq":2'];
  if (!parts.every((part) => found?.includes(part))) throw new Error(`damage was told as ${found}`);
}

/** Segments are made ahead, one at a time, and each is begun before the next one is made. */
async function checkSegments(): Promise<void> {
  const log = new MapLog();
  const writer = writerOf(log, { firstBytes: 8192, maxBytes: 8192 });
  for (let seq = 1; seq <= 60; seq++) {
    appendSync(writer, payloadOf(seq, 1500));
    await writer.settled();
  }
  const made = log.operations.filter((operation) => operation.startsWith("create"));
  const begun = log.writes.filter(({ at }) => at === 0).length;
  const isAhead = made.slice(1).every((operation) => operation.startsWith("createAhead"));
  if (made.length > begun + 1 || !isAhead) {
    throw new Error(`${made.length} segments were made and ${begun} begun`);
  }
}

export async function checkDecoding(): Promise<void> {
  checkPlace();
  await checkSegments();
  const bytes = encoded();
  const text = (part: Uint8Array): string => Buffer.from(part).toString();
  const read = [...readEffects(bytes)].map(({ op, tree, key, value, expiresAt }): Written => {
    const fields = [op, tree, text(key), text(value)] as const;
    return expiresAt === undefined ? fields : [...fields, expiresAt];
  });
  if (JSON.stringify(read) !== JSON.stringify(written))
    throw new Error("effects are read otherwise");
  for (const [at, byte] of spoiled) {
    const changed = bytes.slice();
    changed[at] = byte;
    if (codeOf(changed) !== "log_corrupt") throw new Error(`byte ${at} as ${byte} is accepted`);
  }
  const clear = Uint8Array.from({ length: 17 }, (_, at) => (at === 0 ? effectOp.clear : 0));
  for (const field of [2, 8]) {
    const changed = clear.slice();
    changed[field] = 1;
    if (codeOf(changed) !== "log_corrupt") throw new Error("a clear has a key or a value");
  }
  const first = bytes.subarray(0, 16 + 8 + 3 + 5);
  for (let length = 1; length < first.length; length++) {
    if (codeOf(first.subarray(0, length)) !== "log_corrupt") throw new Error(`cut at ${length}`);
  }
}
