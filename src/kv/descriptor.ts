/** What the catalogue says about a keyspace, and how that compares with what a caller asks for. */
import type { TreeInfo } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import { checkTtl } from "../transaction/index.ts";
import { builtInCodecs, type Codec, customCodec, type ValueCodec } from "./codec.ts";
import type { NumberOption } from "./number-codec.ts";
import { checkOneOf, checkOptions, describeValue, invalid } from "./options.ts";

/** A B+ tree, which has ranges, or a hash tree for single records. */
export type KeyspaceKind = "ordered" | "hashed";
/** What keys are: strings, stored as UTF-8, or `Uint8Array`s. */
export type KeyOption = "utf8" | "bytes";
/** How values are stored without a codec of one's own: as JSON, UTF-8 text or bytes. */
export type BuiltInValue = "json" | "utf8" | "bytes";
/** How values are stored: built in, as numbers, or by a codec of one's own. */
export type ValueOption = BuiltInValue | NumberOption | ValueCodec<unknown>;

/** What a keyspace is made of. */
export interface KeyspaceOptions<K extends KeyOption = KeyOption, V = ValueOption> {
  /** `ordered` (default) has ranges; `hashed` only single records and scans in no order. */
  readonly kind?: KeyspaceKind;
  /** Keys are strings (`utf8`, default) or bytes; their order is the order of their bytes. */
  readonly key?: K;
  /** How values are stored: `json` unless the database was opened with another default. */
  readonly value?: V;
  /** Milliseconds that a record lives unless a put says otherwise; null (default) for ever. */
  readonly ttl?: number | null;
}

/** What keys of a keyspace are, by its `key` option. */
export type KeyOf<K extends KeyOption> = K extends "bytes" ? Uint8Array : string;

/** What values of a keyspace are, by its `value` option. */
export type ValueOf<V extends ValueOption> = V extends "utf8"
  ? string
  : V extends "bytes"
    ? Uint8Array
    : V extends ValueCodec<infer T>
      ? T
      : V extends NumberOption
        ? bigint
        : unknown;

/** A keyspace as `keyspaces()` lists it. */
export interface KeyspaceInfo {
  readonly name: string;
  readonly kind: KeyspaceKind;
  readonly key: KeyOption;
  /** The name of the codec. */
  readonly value: string;
  /** False when `value` names a codec of the application. */
  readonly isBuiltIn: boolean;
  readonly ttl: number | null;
  /** Records, expired ones included until they are swept. */
  readonly records: number;
}

/** The JSON in the catalogue. */
export interface KeyspaceDescriptor {
  readonly kind: KeyspaceKind;
  readonly type: "keyspace";
  readonly name: string;
  /** "project/scope"; absent for the root scope. */
  readonly scope?: string;
  readonly key: KeyOption;
  /** A built-in codec, or `custom:` and the name of the application's. */
  readonly value: string;
  /** Absent for ever. */
  readonly ttl?: number;
}

const knownOptions: ReadonlySet<string> = new Set(["kind", "key", "value", "ttl"]);
const nameCharsMax = 255;
const customPrefix = "custom:";
const action = "open a keyspace";
const textEncoder = new TextEncoder();

/** The descriptor of a new keyspace. @throws CairnError `option_unknown`, `argument_invalid`. */
export function describeKeyspace(
  name: string,
  options: KeyspaceOptions,
  valueDefault: ValueOption,
  scope: string = "",
): KeyspaceDescriptor {
  checkName(name);
  checkOptions(action, options, knownOptions);
  checkOneOf(action, "kind", options.kind, ["ordered", "hashed"]);
  checkOneOf(action, "key", options.key, ["utf8", "bytes"]);
  const { ttl } = options;
  return {
    kind: options.kind ?? "ordered",
    type: "keyspace",
    name,
    ...(scope === "" ? {} : { scope }),
    key: options.key ?? "utf8",
    value: valueName(options.value === undefined ? valueDefault : options.value),
    ...(ttl === undefined || ttl === null ? {} : { ttl: checkTtl(ttl) }),
  };
}

export function encodeDescriptor(descriptor: KeyspaceDescriptor): Uint8Array {
  return textEncoder.encode(JSON.stringify(descriptor));
}

/**
 * The keyspace that a tree is; undefined for trees of other kinds. @throws CairnError `corruption`
 * for a descriptor that no writer of this format can have made.
 */
export function keyspaceOf(tree: TreeInfo): KeyspaceDescriptor | undefined {
  const { descriptor } = tree;
  if (descriptor.type !== "keyspace") return undefined;
  if (isKeyspaceDescriptor(descriptor)) return descriptor;
  throw new CairnError(
    "corruption",
    `Reading the catalogue: tree ${tree.id} is called a keyspace, but is not described as one. ` +
      "Restore from a backup.",
    { details: { tree: tree.id, reason: "descriptor" } },
  );
}

function isKeyspaceDescriptor(
  found: TreeInfo["descriptor"],
): found is TreeInfo["descriptor"] & KeyspaceDescriptor {
  const { kind, name, key, value, ttl } = found;
  const isTtl = ttl === undefined || (typeof ttl === "number" && Number.isSafeInteger(ttl));
  const isKind = kind === "ordered" || kind === "hashed";
  const isNamed = typeof name === "string" && name.length <= nameCharsMax;
  if (!isKind || !isNamed || !isTtl || (key !== "utf8" && key !== "bytes")) return false;
  return (
    typeof value === "string" &&
    (value.startsWith(customPrefix) || Object.hasOwn(builtInCodecs, value))
  );
}

/** Refuses options that contradict what is stored: `keyspace_exists`. Absent ones agree. */
export function checkAgreement(
  stored: KeyspaceDescriptor,
  wanted: KeyspaceDescriptor,
  options: KeyspaceOptions,
): void {
  if (options.kind !== undefined) agree("kind", stored.kind, wanted.kind);
  if (options.ttl !== undefined) agree("ttl", stored.ttl ?? null, wanted.ttl ?? null);
  // These decide the types of keys and values, so their defaults count as asked for.
  agree("key", stored.key, wanted.key);
  agree("value", stored.value, wanted.value);
}

function agree<T extends string | number | null>(option: string, found: T, expected: T): void {
  if (found === expected) return;
  throw new CairnError(
    "keyspace_exists",
    `Cannot open the keyspace: it was created with ${option} ${JSON.stringify(found)}, expected ` +
      `${JSON.stringify(expected)}. Ask for what it was created with, or drop it first.`,
    { details: { option, found, expected } },
  );
}

/** The codec that an option names. @throws CairnError `argument_invalid`. */
export function codecOf(value: ValueOption): Codec<unknown> {
  return typeof value === "string" ? builtInCodecs[value]() : customCodec(value);
}

/** Refuses what is no value option: `argument_invalid`. */
export function valueName(value: ValueOption): string {
  if (typeof value === "string") {
    checkOneOf(action, "value", value, Object.keys(builtInCodecs));
    return value;
  }
  const isCodec =
    typeof value === "object" &&
    value !== null &&
    typeof value.name === "string" &&
    value.name !== "" &&
    typeof value.encode === "function" &&
    typeof value.decode === "function";
  if (isCodec) return customPrefix + value.name;
  const expected =
    '"json", "utf8", "bytes", "u64", "i64", "u256", or a codec with a name, encode and decode';
  throw invalid(action, "the option value", describeValue(value), expected);
}

export function describeInfo(descriptor: KeyspaceDescriptor, records: number): KeyspaceInfo {
  const { name, kind, key, value, ttl } = descriptor;
  const isBuiltIn = !value.startsWith(customPrefix);
  return {
    name,
    kind,
    key,
    value: isBuiltIn ? value : value.slice(customPrefix.length),
    isBuiltIn,
    ttl: ttl ?? null,
    records,
  };
}

/** Refuses what is no name of a keyspace: `argument_invalid`. "" is the default keyspace. */
export function checkName(name: unknown): asserts name is string {
  if (typeof name === "string" && name.length <= nameCharsMax) return;
  const found = typeof name === "string" ? `${name.length} characters long` : describeValue(name);
  throw invalid(action, "the name", found, `a string of at most ${nameCharsMax} characters`);
}
