/** What is asked of a database whose process is gone. */
import { randomFillSync } from "node:crypto";
import { loadCore } from "../../../bindings/load.ts";
import { type Engine, type EngineOptions, openEngine } from "../../../src/engine/index.ts";
import { openNodeStorage } from "../../../src/storage/node-fs/index.ts";
import { difference, readState } from "../../crash/model.ts";
import type { Model } from "./commits.ts";

export async function openFolder(folder: string, options: EngineOptions): Promise<Engine> {
  return await openEngine(openNodeStorage(folder), options, {
    module: loadCore(),
    clock: () => Date.now(),
    random: (bytes) => {
      randomFillSync(bytes);
    },
  });
}

export interface Checked {
  readonly seq: number;
  readonly outcome: string;
  readonly droppedBytes: number;
  readonly replayed: number;
}

/**
 * Opens the folder and holds it against the model, which is brought to what was recovered. Throws
 * when a commit up to `acknowledged` is missing, when there is one beyond `sent`, when the state is
 * not the one after a whole commit, and when `verify` finds something.
 */
export async function check(
  folder: string,
  model: Model,
  acknowledged: number,
  sent: number,
  readOnly: boolean,
): Promise<Checked> {
  const engine = await openFolder(folder, { readOnly, create: false, memoryBudget: 64 << 20 });
  try {
    const seq = Number(engine.recovery.seq);
    if (seq < acknowledged) throw new Error(`${acknowledged} was acknowledged, ${seq} recovered`);
    if (seq > sent) throw new Error(`${sent} were sent, ${seq} recovered`);
    const found = difference(await readState(engine), model.advance(seq).state);
    if (found !== undefined) throw new Error(`the state of commit ${seq} differs: ${found}`);
    const { ok, findings } = await engine.verify();
    if (!ok) throw new Error(`verify found ${JSON.stringify(findings.slice(0, 3))}`);
    const { outcome, droppedBytes, commitsReplayed } = engine.recovery;
    return { seq, outcome, droppedBytes, replayed: commitsReplayed };
  } finally {
    await engine.close();
  }
}
