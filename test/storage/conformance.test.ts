import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryMedium, MemoryStorage } from "../../src/storage/memory/index.ts";
import { openNodeStorage } from "../../src/storage/node-fs/index.ts";
import { conformance } from "./conformance.ts";
import { FaultStorage } from "./fault-storage.ts";

/** Lets several turns of the event loop pass, a different number for each call. */
function changingLatency(): () => Promise<void> {
  let calls = 0;
  return async () => {
    const turns = (calls++ * 5) % 4;
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
}

conformance("node-fs", () => {
  const parent = mkdtempSync(join(tmpdir(), "cairn-storage-"));
  return {
    open: () => openNodeStorage(join(parent, "database")),
    dispose: () => rmSync(parent, { recursive: true }),
  };
});

conformance("memory, at once", () => {
  const medium = new MemoryMedium();
  return { open: () => new MemoryStorage(medium), dispose() {} };
});

conformance("memory, with latency", () => {
  const medium = new MemoryMedium();
  const latency = changingLatency();
  return { open: () => new MemoryStorage(medium, { latency }), dispose() {} };
});

conformance("fault, at once", () => {
  const medium = new MemoryMedium();
  return { open: () => new FaultStorage({ medium }), dispose() {} };
});

conformance("fault, with latency", () => {
  const medium = new MemoryMedium();
  const latency = changingLatency();
  return { open: () => new FaultStorage({ medium, latency }), dispose() {} };
});
