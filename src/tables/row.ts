/**
 * Rows as bytes, little-endian. A column of fixed width lies at the same place in every row of one
 * layout, so that it can be read, compared and summed without decoding the row.
 *
 *     0     u16   layout: which columns, in which order
 *     2     ..    a bit per column of the layout, set where it is null; padded to whole bytes
 *     ..    ..    columns of fixed width: u8 1, boolean 1, u64 i64 integer timestamp float 8,
 *                 u256 i256 32, vector 4 per number; zeros where null
 *     ..    u32   end of each variable column (text, blob, json), counted from the row's first byte
 *     ..    ..    their bytes
 *
 * A table counts its layouts up when it gains or loses a column; rows are not rewritten. A column
 * that an older layout lacks reads as the value it was added with.
 */
import { readU256, writeU256 } from "../../bindings/u256.ts";
import type { Decode } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import { bytesCopier, type CopyBytes } from "../kv/bytes.ts";
import { decodeText } from "../kv/text.ts";
import { decodeShortText } from "./short-text.ts";
import { type ColumnType, cellBytesMax, cellTooLarge, JsonText, widthBytes } from "./types.ts";

/** A column of a layout. */
export interface LayoutColumn {
  /** A number that no other column of the table ever has. */
  readonly id: number;
  readonly type: ColumnType;
  readonly dimensions?: number;
  readonly isNullable: boolean;
}

/** The columns of rows that begin with `version`. */
export interface Layout {
  readonly version: number;
  readonly columns: readonly LayoutColumn[];
}

/** A column as callers know it. */
export interface RowColumn extends LayoutColumn {
  readonly name: string;
  /** What it is in rows that were written before it was added. */
  readonly missing: unknown;
}

/** Where a column lies in rows of a layout. */
interface Place {
  readonly column: LayoutColumn;
  /** Its bit. */
  readonly bit: number;
  /** Of a fixed column: from the row's first byte. */
  readonly offset: number;
  /** Of a variable column: which one; -1 for fixed ones. */
  readonly variable: number;
}

interface Plan {
  readonly places: readonly Place[];
  /** Where the ends of variable columns begin. */
  readonly endsAt: number;
  readonly variables: number;
}

/** A column of the newest layout, for reading all of them. */
interface Field {
  readonly name: string;
  readonly type: ColumnType;
  /** Of a column of fixed width. */
  readonly offset: number;
  /** Where its null bit is; no bit where it is never null. */
  readonly byte: number;
  readonly mask: number;
  /** Reads a value that is not null. */
  readonly read: ReadColumn;
}

/** Reads one column of the row at `memory[at]`. */
export type ReadColumn = (memory: Uint8Array, at: number) => unknown;

const headBytes = 2;
const loopCharsMax = 48;
const viewBytesMax = 4_096;
const microsPerMs = 1_000n;
const textEncoder = new TextEncoder();
const loneSurrogate = /\p{Surrogate}/u;
const sign256 = 1n << 255n;
const all256 = 1n << 256n;

/** The memory that rows were read from last, and a view of it. */
class RowMemory {
  memory: Uint8Array = new Uint8Array(0);
  view: DataView = new DataView(this.memory.buffer);

  /** A view whose offsets are those of `memory`. */
  of(memory: Uint8Array): DataView {
    if (memory === this.memory) return this.view;
    const view = new DataView(memory.buffer, memory.byteOffset, memory.length);
    // A single row of a transaction is read once; the core's memory comes again.
    if (memory.length > viewBytesMax) {
      this.memory = memory;
      this.view = view;
    }
    return view;
  }
}

/** Encodes and decodes the rows of one table as it is at a moment. */
export class RowCodec {
  readonly columns: readonly RowColumn[];
  readonly #newest: Plan;
  readonly #version: number;
  readonly #layouts: ReadonlyMap<number, Layout>;
  readonly #writers: readonly (WriteFixed | undefined)[];
  readonly #memory: RowMemory = new RowMemory();
  readonly #copy: CopyBytes = bytesCopier();
  readonly #readers: readonly ReadColumn[];
  /** Readers for rows of older layouts, made when the first such row is met. */
  readonly #older: Map<number, readonly ReadColumn[]> = new Map();
  readonly #fields: readonly Field[];
  readonly #template: Record<string, unknown>;
  readonly #names: readonly string[];
  #bytes: Uint8Array = new Uint8Array(viewBytesMax);
  #view: DataView = new DataView(this.#bytes.buffer);
  #views: Uint8Array[] = [];

  /** `columns` are in the order of the newest layout, which is the last of `layouts`. */
  constructor(columns: readonly RowColumn[], layouts: readonly Layout[]) {
    this.columns = columns;
    const newest = layouts[layouts.length - 1];
    this.#version = newest.version;
    this.#layouts = new Map(layouts.map((layout) => [layout.version, layout]));
    this.#newest = planOf(newest.columns);
    this.#writers = this.#newest.places.map((place) => fixedWriters[place.column.type]);
    this.#readers = this.#readersOf(this.#newest);
    this.#names = columns.map((column) => column.name);
    this.#fields = this.#fieldsOf();
    this.#template = Object.fromEntries(this.#names.map((name) => [name, null]));
  }

  /**
   * The row of checked values, one for each column. The bytes are good until the next call.
   * @throws CairnError `value_too_large`, `value_invalid` for a lone surrogate.
   */
  encode(values: readonly unknown[]): Uint8Array {
    const { places, endsAt, variables } = this.#newest;
    const bytes = this.#bytes;
    const view = this.#view;
    let end = endsAt + 4 * variables;
    if (end > bytes.length) return this.#encodeLarger(values, end);
    bytes.fill(0, 0, endsAt);
    view.setUint16(0, this.#version, true);
    for (let index = 0; index < places.length; index++) {
      const place = places[index];
      const value = values[index];
      if (value === null) bytes[headBytes + (place.bit >> 3)] |= 1 << (place.bit & 7);
      const { variable } = place;
      if (variable < 0) {
        if (value !== null) (this.#writers[index] as WriteFixed)(view, place.offset, value);
        continue;
      }
      if (value !== null) {
        const room = roomOf(value);
        if (end + room > bytes.length) return this.#encodeLarger(values, end + room);
        const from = end;
        end = this.#writeVariable(value, end, index);
        if (end - from > cellBytesMax) throw cellTooLarge(this.#names[index], end - from);
      }
      view.setUint32(endsAt + 4 * variable, end, true);
    }
    return this.#written(end);
  }

  #encodeLarger(values: readonly unknown[], bytes: number): Uint8Array {
    this.#bytes = new Uint8Array(Math.max(bytes, this.#bytes.length * 2));
    this.#view = new DataView(this.#bytes.buffer);
    this.#views = [];
    return this.encode(values);
  }

  #written(bytes: number): Uint8Array {
    if (bytes > viewBytesMax) return this.#bytes.subarray(0, bytes);
    let view = this.#views[bytes];
    if (view === undefined) {
      view = this.#bytes.subarray(0, bytes);
      this.#views[bytes] = view;
    }
    return view;
  }

  #writeVariable(value: unknown, at: number, index: number): number {
    const bytes = this.#bytes;
    if (value instanceof Uint8Array) {
      bytes.set(value, at);
      return at + value.length;
    }
    const text = value instanceof JsonText ? value.text : (value as string);
    const { length } = text;
    if (length <= loopCharsMax) {
      let at2 = 0;
      for (; at2 < length; at2++) {
        const code = text.charCodeAt(at2);
        if (code > 127) break;
        bytes[at + at2] = code;
      }
      if (at2 === length) return at + length;
    }
    const { written } = textEncoder.encodeInto(text, bytes.subarray(at));
    if (written !== length && loneSurrogate.test(text)) throw surrogate(this.#names[index]);
    return at + written;
  }

  /** The row as an object, one property for each column. */
  readonly decodeRow: Decode<Record<string, unknown>> = (memory, at) => {
    if ((memory[at] | (memory[at + 1] << 8)) !== this.#version)
      return this.#decodeOlder(memory, at);
    const fields = this.#fields;
    const view = this.#memory.of(memory);
    const row = { ...this.#template };
    for (let index = 0; index < fields.length; index++) {
      const { name, type, offset, byte, mask, read } = fields[index];
      // The template has nulls.
      if ((memory[at + byte] & mask) !== 0) continue;
      const place = at + offset;
      // The most usual types here: a call for each value would take as long as the value.
      if (type === "integer") {
        row[name] = view.getInt32(place + 4, true) * 2 ** 32 + view.getUint32(place, true);
      } else if (type === "float") row[name] = view.getFloat64(place, true);
      else row[name] = read(memory, at);
    }
    return row;
  };

  #decodeOlder(memory: Uint8Array, at: number): Record<string, unknown> {
    const readers = this.#readersAt(memory, at);
    const names = this.#names;
    const row = { ...this.#template };
    for (let index = 0; index < names.length; index++)
      row[names[index]] = readers[index](memory, at);
    return row;
  }

  /** The row's values in the order of the columns; JSON as its text, ready to be encoded again. */
  readonly decodeValues: Decode<unknown[]> = (memory, at) => {
    const readers = this.#readersAt(memory, at);
    const values: unknown[] = new Array(readers.length);
    for (let index = 0; index < readers.length; index++) {
      const value = readers[index](memory, at);
      const isJson = value !== null && this.columns[index].type === "json";
      values[index] = isJson ? new JsonText(JSON.stringify(value)) : value;
    }
    return values;
  };

  /** The row of values, as `decodeRow` would hand it out. */
  rowOf(values: readonly unknown[]): Record<string, unknown> {
    const row = { ...this.#template };
    const names = this.#names;
    for (let index = 0; index < names.length; index++) {
      const value = values[index];
      row[names[index]] = value instanceof JsonText ? JSON.parse(value.text) : value;
    }
    return row;
  }

  /** A reader of one column, for rows of every layout. */
  reader(index: number): ReadColumn {
    const newest = this.#readers[index];
    const version = this.#version;
    return (memory, at) => {
      if ((memory[at] | (memory[at + 1] << 8)) === version) return newest(memory, at);
      return this.#readersAt(memory, at)[index](memory, at);
    };
  }

  /** The version of the newest layout: the first two bytes of its rows. */
  get version(): number {
    return this.#version;
  }

  /**
   * Where a column of fixed width lies in rows of the newest layout, and its bit; undefined for one
   * of variable width.
   */
  fixedPlace(index: number): { readonly offset: number; readonly bit: number } | undefined {
    const place = this.#newest.places[index];
    return place.variable < 0 ? { offset: place.offset, bit: place.bit } : undefined;
  }

  /**
   * Where a column lies in rows of the newest layout: of fixed width its offset and bit; of
   * variable width the offset of its end, and of its bytes where they are the first ones, or 0.
   */
  placeOf(index: number): {
    readonly bit: number;
    readonly offset: number;
    readonly first: number;
  } {
    const { places, endsAt, variables } = this.#newest;
    const { bit, offset, variable } = places[index];
    if (variable < 0) return { bit, offset, first: 0 };
    const first = variable === 0 ? endsAt + 4 * variables : 0;
    return { bit, offset: endsAt + 4 * variable, first };
  }

  #readersAt(memory: Uint8Array, at: number): readonly ReadColumn[] {
    const version = memory[at] | (memory[at + 1] << 8);
    if (version === this.#version) return this.#readers;
    let readers = this.#older.get(version);
    if (readers === undefined) {
      const layout = this.#layouts.get(version);
      if (layout === undefined) throw unknownLayout(version);
      readers = this.#readersOf(planOf(layout.columns));
      this.#older.set(version, readers);
    }
    return readers;
  }

  #fieldsOf(): readonly Field[] {
    const { places } = this.#newest;
    const context = { memory: this.#memory, copy: this.#copy, plan: this.#newest };
    return places.map((place, index) => ({
      name: this.#names[index],
      type: place.column.type,
      offset: place.offset,
      byte: headBytes + (place.bit >> 3),
      mask: place.column.isNullable ? 1 << (place.bit & 7) : 0,
      read: place.variable < 0 ? fixedReader(context, place) : variableReader(context, place),
    }));
  }

  #readersOf(plan: Plan): readonly ReadColumn[] {
    const context = { memory: this.#memory, copy: this.#copy, plan };
    return this.columns.map((column) => {
      const place = plan.places.find((candidate) => candidate.column.id === column.id);
      if (place === undefined) return () => column.missing;
      const read =
        place.variable < 0 ? fixedReader(context, place) : variableReader(context, place);
      // By the layout: the column may have become nullable since, or the other way round.
      return place.column.isNullable ? unlessNull(place.bit, read) : read;
    });
  }
}

/** Bytes that a value takes at most. */
function roomOf(value: unknown): number {
  if (typeof value === "string") return value.length * 3;
  return value instanceof JsonText ? value.text.length * 3 : (value as Uint8Array).length;
}

function planOf(columns: readonly LayoutColumn[]): Plan {
  let offset = headBytes + Math.ceil(columns.length / 8);
  let variables = 0;
  const places = columns.map((column, bit): Place => {
    const width = widthBytes(column);
    if (width === 0) return { column, bit, offset: 0, variable: variables++ };
    const place = { column, bit, offset, variable: -1 };
    offset += width;
    return place;
  });
  return { places, endsAt: offset, variables };
}

function unlessNull(bit: number, read: ReadColumn): ReadColumn {
  const byte = headBytes + (bit >> 3);
  const mask = 1 << (bit & 7);
  return (memory, at) => ((memory[at + byte] & mask) !== 0 ? null : read(memory, at));
}

type WriteFixed = (view: DataView, at: number, value: unknown) => void;

const fixedWriters: Readonly<Partial<Record<ColumnType, WriteFixed>>> = {
  u8: (view, at, value) => view.setUint8(at, value as number),
  boolean: (view, at, value) => view.setUint8(at, value === true ? 1 : 0),
  u64: (view, at, value) => view.setBigUint64(at, value as bigint, true),
  i64: (view, at, value) => view.setBigInt64(at, value as bigint, true),
  integer: (view, at, value) => {
    const high = Math.floor((value as number) / 2 ** 32);
    view.setInt32(at + 4, high, true);
    view.setUint32(at, (value as number) - high * 2 ** 32, true);
  },
  float: (view, at, value) => view.setFloat64(at, value as number, true),
  timestamp: (view, at, value) =>
    view.setBigInt64(at, BigInt((value as Date).getTime()) * microsPerMs, true),
  u256: (view, at, value) => writeU256(view, at, value as bigint),
  i256: (view, at, value) => {
    const number = value as bigint;
    writeU256(view, at, number < 0n ? number + all256 : number);
  },
  vector: (view, at, value) => {
    const vector = value as Float32Array;
    for (let index = 0; index < vector.length; index++) {
      view.setFloat32(at + 4 * index, vector[index], true);
    }
  },
};

interface ReadContext {
  readonly memory: RowMemory;
  readonly copy: CopyBytes;
  readonly plan: Plan;
}

function fixedReader({ memory: views }: ReadContext, place: Place): ReadColumn {
  const { offset, column } = place;
  switch (column.type) {
    case "u8":
      return (memory, at) => memory[at + offset];
    case "boolean":
      return (memory, at) => memory[at + offset] === 1;
    case "u64":
      return (memory, at) => views.of(memory).getBigUint64(at + offset, true);
    case "i64":
      return (memory, at) => views.of(memory).getBigInt64(at + offset, true);
    case "integer":
      return (memory, at) => {
        const view = views.of(memory);
        return view.getInt32(at + offset + 4, true) * 2 ** 32 + view.getUint32(at + offset, true);
      };
    case "float":
      return (memory, at) => views.of(memory).getFloat64(at + offset, true);
    case "timestamp":
      return (memory, at) =>
        new Date(Number(views.of(memory).getBigInt64(at + offset, true) / microsPerMs));
    case "u256":
      return (memory, at) => readU256(views.of(memory), at + offset);
    case "i256":
      return (memory, at) => {
        const number = readU256(views.of(memory), at + offset);
        return number < sign256 ? number : number - all256;
      };
    default:
      return (memory, at) => {
        const view = views.of(memory);
        const vector = new Float32Array(column.dimensions ?? 0);
        for (let index = 0; index < vector.length; index++) {
          vector[index] = view.getFloat32(at + offset + 4 * index, true);
        }
        return vector;
      };
  }
}

function variableReader({ memory: views, copy, plan }: ReadContext, place: Place): ReadColumn {
  const endAt = plan.endsAt + 4 * place.variable;
  const first = plan.endsAt + 4 * plan.variables;
  const isFirst = place.variable === 0;
  const decode = variableDecoder(place.column.type, copy);
  return (memory, at) => {
    const view = views.of(memory);
    const from = isFirst ? first : view.getUint32(at + endAt - 4, true);
    return decode(memory, at + from, view.getUint32(at + endAt, true) - from);
  };
}

function variableDecoder(
  type: ColumnType,
  copy: CopyBytes,
): (memory: Uint8Array, at: number, length: number) => unknown {
  if (type === "text") return decodeShortText;
  if (type === "blob") return copy;
  return (memory, at, length) => JSON.parse(decodeText(memory, at, length));
}

function unknownLayout(version: number): CairnError {
  return new CairnError(
    "corruption",
    `Reading a row: it has the layout ${version}, which the table does not know. Verify the ` +
      "database and restore it from a backup.",
    { details: { layout: version } },
  );
}

function surrogate(column: string): CairnError {
  return new CairnError(
    "value_invalid",
    `Cannot store this text in the column "${column}": it contains a lone surrogate, which ` +
      "has no UTF-8 form. Make it well-formed, or use a blob.",
    { details: { column } },
  );
}
