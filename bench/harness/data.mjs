// The data of every row: 16-byte keys in random order, 100-byte values that do not compress.
// The same numbers come out for every engine, repetition and runtime.

const keyBytes = 16;
export const valueBytes = 100;
const valuesDistinct = 16384;

/** The finalizer of MurmurHash3: a bijection of 32-bit numbers, so that no key comes twice. */
function mix(number) {
  let h = number | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Records 0 to `count - 1`; `Bytes` is what values are made of, Uint8Array or Buffer. */
export class Data {
  constructor(count, Bytes = Uint8Array) {
    this.count = count;
    this.keys = Buffer.alloc(count * keyBytes);
    for (let index = 0; index < count; index++) {
      const text = hex(mix(index + 1)) + hex(mix(mix(index + 1) ^ 0x5bd1e995));
      this.keys.latin1Write(text, index * keyBytes);
    }
    this.values = [];
    for (let index = 0; index < valuesDistinct; index++) {
      const bytes = Bytes === Buffer ? Buffer.alloc(valueBytes) : new Bytes(valueBytes);
      for (let at = 0; at < valueBytes; at++) bytes[at] = mix(index * 128 + at) & 255;
      this.values.push(bytes);
    }
    this.order = shuffled(count);
    this.#versions = new Uint8Array(count);
  }
  /** Where in the random order the next reader goes on. */
  #next = 0;
  /** How often each record was written again: every time with other bytes. */
  #versions;

  /** A string that nobody has seen: its hash is not known and it is not the one that was stored. */
  key(index) {
    return this.keys.latin1Slice(index * keyBytes, index * keyBytes + keyBytes);
  }
  /** The next key of the random order that does not begin with f. */
  lowKey() {
    for (;;) {
      const { keys } = this.take(1);
      if (keys[0] < "f") return keys[0];
    }
  }
  value(index) {
    return this.values[(index + this.#versions[index] * 577) % valuesDistinct];
  }
  /** What the record is written with the next time. */
  #nextValue(index) {
    return this.values[(index + ((this.#versions[index] + 1) & 255) * 577) % valuesDistinct];
  }
  /** The records were written again. */
  wrote(indexes) {
    for (const index of indexes) this.#versions[index]++;
  }

  /** The next `count` records of the random order: their numbers and fresh keys. */
  take(count) {
    const indexes = new Int32Array(count);
    const keys = new Array(count);
    for (let at = 0; at < count; at++) {
      const index = this.order[this.#next];
      this.#next = (this.#next + 1) % this.count;
      indexes[at] = index;
      keys[at] = this.key(index);
    }
    return { indexes, keys };
  }

  /** Keys and values to write, in groups: those of a load, or others than the records have. */
  batches(indexes, size, isAgain = false) {
    const batches = [];
    for (let from = 0; from < indexes.length; from += size) {
      const part = indexes.slice(from, from + size);
      const bytesOf = (index) => (isAgain ? this.#nextValue(index) : this.value(index));
      batches.push({
        indexes: part,
        keys: Array.from(part, (index) => this.key(index)),
        values: Array.from(part, bytesOf),
      });
    }
    return batches;
  }

  /** Throws unless `found` is the value of the record. */
  check(index, found, what) {
    const wanted = this.value(index);
    if (!(found instanceof Uint8Array) || found.length !== valueBytes) {
      throw new Error(`${what}: record ${index} is ${found?.length ?? found} bytes, not 100`);
    }
    for (let at = 0; at < valueBytes; at++) {
      if (found[at] !== wanted[at]) throw new Error(`${what}: record ${index} differs at ${at}`);
    }
  }
}

function hex(number) {
  return number.toString(16).padStart(keyBytes / 2, "0");
}

function shuffled(count) {
  const order = new Int32Array(count);
  for (let index = 0; index < count; index++) order[index] = index;
  let state = 12345;
  for (let last = count - 1; last > 0; last--) {
    // xorshift32: quality does not matter, only that neighbours are apart.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const other = (state >>> 0) % (last + 1);
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}
