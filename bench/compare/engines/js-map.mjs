// A Map from strings to bytes: what a program does without a database. Its values are not copied.
export const name = "JS Map";
export const Bytes = Uint8Array;
export const settings = { version: process.version, memory: "the heap", read: "Map.get" };

export async function openEngine() {
  const map = new Map();
  return {
    writeSync(keys, values) {
      for (let at = 0; at < keys.length; at++) map.set(keys[at], values[at]);
    },
    flush: async () => undefined,
    getSync: (key) => map.get(key),
    getManySync(keys) {
      const found = new Array(keys.length);
      for (let at = 0; at < keys.length; at++) found[at] = map.get(keys[at]);
      return found;
    },
    count: () => map.size,
    close: async () => undefined,
  };
}
