// What `npm run bench` measures, as the report names it, and the most that it may be.
export const limits = {
  "memory.ordered": {
    title: "memory per record, ordered (116 bytes of key and value)",
    unit: "bytes",
  },
  "memory.hashed": { title: "memory per record, hashed", unit: "bytes" },
  "snapshot.ordered.1": {
    title: "commit with a live snapshot against without, batches of 1, ordered",
    unit: "times",
    most: 1.5,
  },
  "snapshot.ordered.100": {
    title: "the same, batches of 100",
    unit: "times",
    most: 1.5,
  },
  "snapshot.hashed.1": { title: "the same, batches of 1, hashed", unit: "times", most: 1.5 },
  "snapshot.hashed.100": { title: "the same, batches of 100, hashed", unit: "times", most: 1.5 },
  "snapshot.us.ordered.1": { title: "such a commit without a snapshot, batch of 1", unit: "µs" },
  "snapshot.us.ordered.100": {
    title: "such a commit without a snapshot, batch of 100",
    unit: "µs",
  },
  "snapshot.us.hashed.1": { title: "such a commit without, batch of 1, hashed", unit: "µs" },
  "snapshot.us.hashed.100": { title: "such a commit without, batch of 100, hashed", unit: "µs" },
  "open.10k": { title: "open after a clean close and one get, 10 k records", unit: "ms" },
  "open.100k": { title: "open, 100 k records", unit: "ms" },
  "open.1m": { title: "open, 1 M records", unit: "ms" },
  "recovery.rate": { title: "recovery after a kill: log replayed", unit: "MB/s" },
  "recovery.megabytes": { title: "log that was replayed there", unit: "MB" },
  "checkpoint.pause": {
    title: "longest time a checkpoint of everything holds the event loop",
    unit: "ms",
    most: 10,
  },
  "checkpoint.pause.before": {
    title: "longest such time just before, with the same commits",
    unit: "ms",
  },
  "checkpoint.seconds": { title: "how long that checkpoint takes beside commits", unit: "s" },
  "checkpoint.p50": { title: "durable commit meanwhile, median", unit: "ms" },
  "checkpoint.p99": { title: "durable commit meanwhile, p99", unit: "ms" },
  "checkpoint.p99.before": { title: "durable commit just before, p99", unit: "ms" },
  "wasm.gzip": { title: "Wasm core, gzipped", unit: "bytes", most: 61_440 },
};
