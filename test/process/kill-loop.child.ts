/**
 * The process that is killed: commits without end, with upkeep beside it, and says on its standard
 * output what it has begun and what was acknowledged. kill-loop.mjs bundles it.
 *
 *     opened 17        opened, and the last commit that was there
 *     sent 30          commits up to 30 may be on their way
 *     done 22          commit 22 was acknowledged as durable
 *     begin compact    and "end compact"
 */
import { randomFillSync } from "node:crypto";
import { writeSync } from "node:fs";
import { loadCore } from "../../bindings/load.ts";
import { type Engine, openEngine } from "../../src/engine/index.ts";
import { openNodeStorage } from "../../src/storage/node-fs/index.ts";
import { encodeCommit } from "./kill-loop.commits.ts";

const [folder = "", backupFolder = "", work = ""] = process.argv.slice(2);
const inFlightMax = 16;

function say(line: string): void {
  for (let text = Buffer.from(`${line}\n`); text.length > 0; ) {
    try {
      text = text.subarray(writeSync(1, text));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
  }
}

async function commitForever(engine: Engine): Promise<void> {
  let seq = Number(engine.recovery.seq);
  const inFlight = new Set<Promise<void>>();
  for (;;) {
    seq++;
    say(`sent ${seq}`);
    encodeCommit(seq, engine.beginCommit());
    const commit = engine.submit().then((receipt) => {
      if (!receipt.durable) throw new Error(`commit ${receipt.seq} is not durable`);
      say(`done ${receipt.seq}`);
      inFlight.delete(commit);
    });
    inFlight.add(commit);
    if (inFlight.size >= inFlightMax) await Promise.race(inFlight);
  }
}

async function during(name: string, run: () => Promise<void>): Promise<void> {
  say(`begin ${name}`);
  await run();
  say(`end ${name}`);
}

async function upkeepForever(engine: Engine): Promise<void> {
  for (let round = 0; work !== "load"; round++) {
    const all = ["checkpoint", "compact", "backup"];
    const kind = work === "mixed" ? all[round % 3] : work;
    if (kind === "checkpoint") await during(kind, () => engine.checkpoint());
    else if (kind === "compact") await during(kind, () => engine.compact());
    else {
      await during(`backup ${round}`, async () => {
        await engine.backup(openNodeStorage(`${backupFolder}-${round}`));
      });
    }
  }
}

const engine = await openEngine(
  openNodeStorage(folder),
  {
    memoryBudget: 8 << 20,
    // Often enough that the background has its share in every round.
    checkpointLogBytes: work === "load" ? 1 << 20 : 8 << 20,
    segmentBytes: { first: 64 << 10, max: 1 << 20 },
  },
  {
    module: loadCore(),
    clock: () => Date.now(),
    random: (bytes) => {
      randomFillSync(bytes);
    },
  },
);
say(`opened ${engine.recovery.seq}`);
await Promise.all([commitForever(engine), upkeepForever(engine)]);
