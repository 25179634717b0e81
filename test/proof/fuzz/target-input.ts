/** What people and programs hand in: keys, cursors, stored values, command lines. */

import { commands } from "../../../src/cli/commands/index.ts";
import { formsOf, hexToBytes, jsonOf } from "../../../src/cli/forms.ts";
import { parseArguments } from "../../../src/cli/parse.ts";
import { run as runCli } from "../../../src/cli/run.ts";
import type { Sink } from "../../../src/cli/surroundings.ts";
import { type CairnError, isCairnError } from "../../../src/index.ts";
import { builtInCodecs } from "../../../src/kv/codec.ts";
import { decodeCursor, encodeCursor } from "../../../src/kv/cursor.ts";
import { encodeText } from "../../../src/kv/text.ts";
import type { Random } from "../../storage/random.ts";
import { type Guard, Violation } from "./guard.ts";
import { mutate, mutateData, mutateText, resize } from "./mutate.ts";
import { checkingCore } from "./sign.ts";
import type { Target } from "./target.ts";

function runCursor(random: Random, guard: Guard): void {
  const key = random.bytes(random.integer(30));
  const isReverse = random.chance(0.5);
  let cursor = encodeCursor(key, isReverse);
  const isMutated = random.chance(0.8);
  if (isMutated) cursor = mutateText(random, cursor);
  const asReverse = random.chance(0.9) ? isReverse : !isReverse;
  const decoded = guard.run(() => decodeCursor("fuzz", cursor, asReverse), cursor.length, 4_096);
  if (isMutated || asReverse !== isReverse) return;
  if (decoded === undefined || Buffer.compare(decoded, key) !== 0) {
    throw new Violation("a cursor does not lead back to its key");
  }
}

const json = builtInCodecs.json();
const utf8 = builtInCodecs.utf8();

function runValue(random: Random, guard: Guard): void {
  const data = mutateData(random, { a: [1, "é", null], __proto__: null, b: { constructor: "c" } });
  if (random.chance(0.5)) {
    // There and back is the same.
    const again = guard.run(
      () => {
        const bytes = json.encode(data).slice();
        return JSON.stringify(json.decode(bytes, 0, bytes.length, 0, 0));
      },
      1_024,
      65_536,
    );
    if (again !== JSON.stringify(data)) throw new Violation("a JSON value comes back as another");
    return;
  }
  let bytes: Uint8Array = Buffer.from(JSON.stringify(data) ?? "");
  mutate(random, bytes, 1 + random.integer(3));
  if (random.chance(0.3)) bytes = resize(random, bytes);
  const codec = random.chance(0.6) ? json : utf8;
  guard.run(() => codec.decode(bytes, 0, bytes.length, 0, 0), bytes.length, 65_536);
}

/** A text is refused, or its key is its UTF-8. */
function runKey(random: Random, guard: Guard): void {
  let key = "key of some length";
  for (let left = random.integer(6); left > 0; left--) key = mutateText(random, key);
  if (random.chance(0.02)) key = key.repeat(70);
  const written = guard.run(
    () => {
      const length = checkingCore.writeKey(key, 0, 1_024);
      return Buffer.from(checkingCore.input.slice(0, length)).toString("hex");
    },
    key.length,
    8_192,
  );
  const isWell = key.isWellFormed?.() ?? !/\p{Surrogate}/u.test(key);
  const expected = isWell ? Buffer.from(key).toString("hex") : undefined;
  const isShort = expected !== undefined && expected.length <= 2_048;
  if (written !== (isShort ? expected : undefined)) {
    throw new Violation("a key is not what its text says");
  }
  if (!isWell) requireRefused(() => encodeText(key), "value_invalid");
}

function requireRefused(work: () => unknown, code: CairnError["code"]): void {
  try {
    work();
  } catch (error) {
    if (isCairnError(error, code)) return;
    throw error;
  }
  throw new Violation(`what should be ${code} was taken`);
}

const words = [
  "--json",
  "--help",
  "--keyspace",
  "--keyspace=a",
  "--limit",
  "--limit=5",
  "--gte=a",
  "--reverse",
  "--ttl=10",
  "--raw",
  "--string",
  "--",
  "-",
  "key",
  '{"a":1}',
  "00ff",
];

function drawArguments(random: Random): string[] {
  const length = random.integer(6);
  return Array.from({ length }, () => {
    const word = random.pick(words);
    return random.chance(0.3) ? mutateText(random, word) : word;
  });
}

function runArguments(random: Random, guard: Guard): void {
  const command = random.pick(commands);
  const given = drawArguments(random);
  guard.run(() => parseArguments(given, command.args), given.join(" ").length, 65_536);
}

function runForms(random: Random, guard: Guard): void {
  const info = {
    name: "a",
    kind: "ordered",
    key: random.pick(["utf8", "bytes"] as const),
    value: random.pick(["json", "utf8", "bytes", "other"]),
    isBuiltIn: random.chance(0.8),
    ttl: null,
    records: 0,
  } as const;
  const forms = formsOf(info);
  const argument = mutateText(random, random.pick(['{"a":[1,2]}', "00ff", "1e5", "text", "12"]));
  guard.run(() => forms.key(argument), argument.length, 4_096);
  const value = guard.run(() => forms.value(argument), argument.length, 4_096);
  if (value !== undefined) guard.run(() => forms.valueText(value), argument.length, 4_096);
  const bytes = Buffer.from(argument);
  mutate(random, bytes, random.integer(3));
  guard.run(() => forms.input(bytes), bytes.length, 4_096);
  guard.run(() => hexToBytes(argument), argument.length, 4_096);
  const parsed = jsonOf(argument);
  if (typeof parsed === "number" && String(parsed) !== argument) {
    throw new Violation("a number on the command line was changed");
  }
}

/** Only what reads: a place that somebody has not meant must not be written to. */
const readers = ["get", "scan", "info", "keyspaces", "stats", "verify"];
const codes = new Set([0, 1, 2, 3, 4, 5, 6, 7, 8]);

async function runCommand(random: Random, guard: Guard): Promise<void> {
  const place = random.pick(["/nonexistent/fuzz.cairn", "memory:", ""]);
  const given = [random.pick(readers), place, ...drawArguments(random)];
  if (random.chance(0.2)) given[0] = mutateText(random, given[0]);
  if (random.chance(0.2)) given.reverse();
  const texts: string[] = [];
  const sink: Sink = {
    isTerminal: false,
    columns: 80,
    write: async (content) => {
      texts.push(String(content));
    },
  };
  const code = await guard.runAsync(
    () =>
      runCli(given, {
        stdin: { isTerminal: false, read: async () => new Uint8Array(0) },
        stdout: sink,
        stderr: sink,
        env: {},
        signal: new AbortController().signal,
        now: () => 0,
      }),
    given.join(" ").length,
    1 << 20,
  );
  if (code === undefined || !codes.has(code)) {
    throw new Violation(`the command ended with ${code}: ${texts.join("")}`);
  }
}

export const inputTargets: readonly Target[] = [
  { name: "cursor", weight: 70, run: runCursor },
  { name: "value", weight: 60, run: runValue },
  { name: "key", weight: 80, run: runKey },
  { name: "arguments", weight: 50, run: runArguments },
  { name: "forms", weight: 40, run: runForms },
  { name: "command", weight: 4, run: runCommand },
];
