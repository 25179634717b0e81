/**
 * The process that is killed: commits without end, with upkeep beside it, and says what it has
 * begun and what was acknowledged: on its standard output, or as messages where it is a thread.
 *
 *     opening          the storage is about to be touched
 *     opened 17        and the last commit that was there
 *     sent 30          commits up to 30 may be on their way
 *     done 22          commit 22 was acknowledged as durable
 *     begin compact    and "end compact"
 *     failed disk_full what ended the work "fill", which goes on until something fails
 */
import { randomFillSync } from "node:crypto";
import { writeSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { loadCore } from "../../../bindings/load.ts";
import { type Engine, openEngine } from "../../../src/engine/index.ts";
import { CairnError } from "../../../src/errors.ts";
import { openNodeStorage } from "../../../src/storage/node-fs/index.ts";
import { encodeCommit } from "./commits.ts";

const given = parentPort === null ? process.argv.slice(2) : (workerData as string[]);
const [folder = "", backupFolder = "", work = ""] = given;
const inFlightMax = 16;

function say(line: string): void {
  if (parentPort !== null) {
    parentPort.postMessage(line);
    return;
  }
  for (let text = Buffer.from(`${line}\n`); text.length > 0; ) {
    try {
      text = text.subarray(writeSync(1, text));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
  }
}

/** What the work "hoard" keeps, until there is no memory left for it. */
const hoard: number[][] = [];

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
    // It is waited for, but perhaps not as the first one.
    commit.catch(() => undefined);
    inFlight.add(commit);
    if (work === "hoard") hoard.push(Array.from({ length: 20_000 }, (_, index) => index + seq));
    if (inFlight.size >= inFlightMax) await Promise.race(inFlight);
  }
}

async function during(name: string, run: () => Promise<void>): Promise<void> {
  say(`begin ${name}`);
  await run();
  say(`end ${name}`);
}

async function upkeepForever(engine: Engine): Promise<void> {
  const all = ["checkpoint", "compact", "backup"];
  if (work !== "mixed" && !all.includes(work)) return;
  for (let round = 0; ; round++) {
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

/** Until the disk is full: then reads still answer, and everything else is refused. */
async function fill(engine: Engine): Promise<void> {
  let code = "";
  await commitForever(engine).catch((error: unknown) => {
    code = error instanceof CairnError ? error.code : String(error);
  });
  const newest = await engine.read(1, "newest", undefined, 0, (bytes, at, length) =>
    Buffer.from(bytes.subarray(at, at + length)).toString(),
  );
  if (newest === undefined) code = "nothing can be read";
  await engine.close().catch(() => undefined);
  say(`failed ${code}`);
}

say("opening");
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
if (work === "fill") await fill(engine);
else await Promise.all([commitForever(engine), upkeepForever(engine)]);
