/** What a vector index is made of, in the catalogue and as callers ask for it. */
import {
  VECTOR_DIMENSIONS_MAX,
  type VectorGraphOptions,
  type VectorMetric,
  type VectorPrecision,
} from "../../bindings/vector.ts";
import type { TreeInfo } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import { checkOneOf, checkOptions, checkWhole, describeValue, invalid } from "../kv/index.ts";
import type { IdOption } from "./id.ts";

/** How vectors are made, compared and found. Only `dimensions` must be said. */
export interface VectorsOptions<K extends IdOption = IdOption> {
  /** Components of every vector: 1 to 4,096. May be left out for an index that exists. */
  readonly dimensions?: number;
  /** What is near: `cosine` (default), `l2`, `ip` (inner product) or `hamming` (signs differ). */
  readonly metric?: VectorMetric;
  /** What is compared while walking: `int8` (default), `f32`, or `binary` (signs). */
  readonly precision?: VectorPrecision;
  /** Links of a vector in the graph (M): 4 to 64; 16. More find more, and take memory. */
  readonly connections?: number;
  /** Candidates looked at when a vector is linked: 8 to 4,096; 100. */
  readonly efConstruction?: number;
  /**
   * Keeps the vectors in memory beside their codes (default), so that ranking needs no reads.
   * Otherwise they are read from the rows: a quarter of the memory, and slower.
   */
  readonly keepVectors?: boolean;
  /** What ids are: `string` (default), `number` or `bigint`. */
  readonly id?: K;
  /** Metadata fields that get an index, as paths: `["rank", "author.name"]`. None by default. */
  readonly fields?: readonly string[];
}

/** An index as `vectorIndexes()` lists it. */
export interface VectorsInfo {
  readonly name: string;
  readonly dimensions: number;
  readonly metric: VectorMetric;
  readonly precision: VectorPrecision;
  readonly connections: number;
  readonly efConstruction: number;
  readonly keepVectors: boolean;
  readonly id: IdOption;
  readonly fields: readonly string[];
  /** Vectors. */
  readonly count: number;
}

/** The JSON of an index's tree of rows in the catalogue. */
export interface VectorsDescriptor extends Omit<VectorsInfo, "count" | "id"> {
  /** `raw` for the vectors of another tree's records. */
  readonly id: IdOption | "raw";
  readonly kind: "ordered";
  readonly type: "vectors";
}

/** The JSON of the other trees of an index. */
export interface PartDescriptor {
  readonly kind: "ordered" | "hashed";
  readonly type: "vector-ids" | "vector-pending" | "vector-field";
  /** The index. */
  readonly name: string;
  /** Of a field's tree. */
  readonly field?: string;
}

const action = "open a vector index";
const knownOptions: ReadonlySet<string> = new Set([
  "dimensions",
  "metric",
  "precision",
  "connections",
  "efConstruction",
  "keepVectors",
  "id",
  "fields",
]);
const nameCharsMax = 255;
const fieldsMax = 64;
const reserved = new Set(["and", "or", "not"]);
const textEncoder = new TextEncoder();

export function encodeDescriptor(descriptor: VectorsDescriptor | PartDescriptor): Uint8Array {
  return textEncoder.encode(JSON.stringify(descriptor));
}

/** The index whose rows a tree holds; undefined for trees of other kinds. */
export function vectorsOf({ descriptor }: TreeInfo): VectorsDescriptor | undefined {
  return descriptor.type === "vectors" ? (descriptor as unknown as VectorsDescriptor) : undefined;
}

export function partOf({ descriptor }: TreeInfo, name: string): PartDescriptor | undefined {
  const part = descriptor as unknown as PartDescriptor;
  return part.name === name && String(part.type).startsWith("vector-") ? part : undefined;
}

/** @throws CairnError `argument_invalid`, `option_unknown`. */
export function checkVectorsOptions(name: unknown, options: VectorsOptions): void {
  checkVectorsName(name);
  checkOptions(action, options, knownOptions);
  checkBetween("dimensions", options.dimensions, 1, VECTOR_DIMENSIONS_MAX);
  checkOneOf(action, "metric", options.metric, ["cosine", "l2", "ip", "hamming"]);
  checkOneOf(action, "precision", options.precision, ["int8", "f32", "binary"]);
  checkBetween("connections", options.connections, 4, 64);
  checkBetween("efConstruction", options.efConstruction, 8, 4_096);
  checkOneOf(action, "keepVectors", options.keepVectors, [true, false]);
  checkOneOf(action, "id", options.id, ["string", "number", "bigint"]);
  checkFields(options.fields);
  const { metric, precision } = options;
  if (metric === "hamming" && precision !== undefined && precision !== "binary") {
    throw invalid(action, "the option precision", `"${precision}"`, '"binary", with hamming');
  }
}

export function checkVectorsName(name: unknown): asserts name is string {
  if (typeof name === "string" && name !== "" && name.length <= nameCharsMax) return;
  const found = typeof name === "string" ? `${name.length} characters long` : describeValue(name);
  throw invalid(action, "the name", found, `a string of 1 to ${nameCharsMax} characters`);
}

function checkBetween(option: string, value: unknown, least: number, most: number): void {
  checkWhole(action, option, value, least);
  if (value === undefined || (value as number) <= most) return;
  throw invalid(action, `the option ${option}`, String(value), `${least} to ${most}`);
}

function checkFields(fields: unknown): void {
  if (fields === undefined) return;
  if (!Array.isArray(fields) || fields.length > fieldsMax) {
    throw invalid(action, "the option fields", describeValue(fields), `up to ${fieldsMax} paths`);
  }
  for (const field of fields) {
    const isPath = typeof field === "string" && field !== "" && field.length <= nameCharsMax;
    if (isPath && !reserved.has(field)) continue;
    throw invalid(action, "a path in fields", describeValue(field), "a name that filters can use");
  }
}

/** What an index that does not exist yet is to be. */
export function describeVectors(name: string, options: VectorsOptions): VectorsDescriptor {
  const { dimensions } = options;
  if (dimensions === undefined) throw vectorsNotFound(name);
  const metric = options.metric ?? "cosine";
  return {
    kind: "ordered",
    type: "vectors",
    name,
    dimensions,
    metric,
    precision: metric === "hamming" ? "binary" : (options.precision ?? "int8"),
    connections: options.connections ?? 16,
    efConstruction: options.efConstruction ?? 100,
    keepVectors: options.keepVectors ?? metric !== "hamming",
    id: options.id ?? "string",
    fields: [...new Set(options.fields)].sort(),
  };
}

/** Refuses options that contradict what is stored: `vectors_exist`. Absent ones agree. */
export function checkVectorsAgree(stored: VectorsDescriptor, options: VectorsOptions): void {
  // It decides the type of ids, so its default counts as asked for.
  agree("id", stored.id, options.id ?? "string");
  for (const option of [
    "dimensions",
    "metric",
    "precision",
    "connections",
    "efConstruction",
    "keepVectors",
  ] as const) {
    const wanted = options[option];
    if (wanted !== undefined) agree(option, stored[option], wanted);
  }
  if (options.fields === undefined) return;
  agree("fields", stored.fields.join(", "), [...new Set(options.fields)].sort().join(", "));
}

function agree(option: string, found: string | number | boolean, expected: typeof found): void {
  if (found === expected) return;
  throw new CairnError(
    "vectors_exist",
    `Cannot open the vector index: it was created with ${option} ${JSON.stringify(found)}, ` +
      `expected ${JSON.stringify(expected)}. Ask for what it was created with, or drop it first.`,
    { details: { option, found, expected } },
  );
}

export function graphOptions(descriptor: VectorsDescriptor): VectorGraphOptions {
  const { dimensions, metric, precision, connections, efConstruction, keepVectors } = descriptor;
  return { dimensions, metric, precision, connections, efConstruction, keepVectors };
}

export function vectorsNotFound(name: string): CairnError {
  return new CairnError(
    "vectors_not_found",
    `Cannot find the vector index ${JSON.stringify(name)}: none has this name, and it cannot be ` +
      "created here. See vectorIndexes(), and say its dimensions to create it.",
  );
}

export function vectorsDropped(): CairnError {
  return new CairnError(
    "vectors_dropped",
    "Cannot use this vector index: it was dropped. Open it again by its name.",
  );
}
