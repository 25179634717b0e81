/** The workloads that are crashed at each of their calls: each does one thing that writes. */
import { openEngine } from "../../../src/engine/index.ts";
import { MemoryStorage } from "../../../src/storage/memory/index.ts";
import { History } from "../../crash/model.ts";
import { Workload } from "../../crash/workload.ts";
import { type Story, small, storageOn, surroundingsOf, type Teller } from "./recording.ts";

const long = (letter: string, length: number): string => letter.repeat(length);

async function begin(teller: Teller): Promise<void> {
  await teller.open();
  await teller.plant();
}

async function fill(teller: Teller, from: number, to: number, length = 20): Promise<void> {
  for (let i = from; i < to; i++) {
    await teller.put([1, `k${i}`, `${i}${long("v", length)}`], [2, `h${i}`, `${i}`]);
  }
}

/** Several commits that wait for each other. */
async function burst(teller: Teller, name: string, count: number): Promise<void> {
  const commits = Array.from({ length: count }, (_, index) =>
    teller.put([1, `${name}${index}`, long(name, 10)], [2, `${name}${index}`, "1"]),
  );
  await Promise.all(commits);
}

async function randomWork(teller: Teller, steps: number): Promise<void> {
  await begin(teller);
  const history = new History();
  Object.defineProperty(history, "states", { value: teller.states });
  history.acknowledge(teller.seq, true);
  // The work does not tell when it begins a commit.
  teller.promised.push({ entry: 0, durable: 0, visible: 0, sent: Number.POSITIVE_INFINITY });
  teller.acknowledge({ seq: BigInt(teller.seq), durable: true });
  const acknowledge = history.acknowledge.bind(history);
  history.acknowledge = (seq, durable) => {
    acknowledge(seq, durable);
    // Work that was told of together with others is known by the time of the last.
    teller.acknowledge({ seq: BigInt(seq), durable });
  };
  await new Workload(teller.engine, history, teller.random, {
    steps,
    keys: 30,
    largeBytesMax: 6000,
    largeOneIn: 30,
    backupTarget: () => new MemoryStorage(),
  }).run();
}

/** The copy is what is crashed; the source lies elsewhere. */
async function backup(teller: Teller): Promise<void> {
  const { module } = teller;
  const source = await openEngine(new MemoryStorage(), small, surroundingsOf(module, 7));
  teller.engine = source;
  await teller.plant();
  await fill(teller, 0, 6);
  await source.checkpoint();
  await fill(teller, 6, 8);
  const { seq } = teller;
  teller.promised.splice(1);
  teller.promised[0] = { entry: 0, durable: 0, visible: 0, sent: seq };
  teller.least = seq;
  await teller.until(source.backup(storageOn(teller.files, 1)));
  teller.absentUntil = teller.trace.length;
  await source.close();
  await teller.open();
  await teller.put([1, "into the copy", "1"]);
}

export const stories: readonly Story[] = [
  {
    name: "a database is made",
    tell: async (teller) => {
      await teller.open();
      await teller.close();
    },
  },
  {
    name: "one commit",
    tell: async (teller) => {
      await begin(teller);
      await teller.put([1, "a", "1"]);
      await teller.close();
    },
  },
  {
    name: "commits one by one",
    tell: async (teller) => {
      await begin(teller);
      await fill(teller, 0, 6);
    },
  },
  {
    name: "commits in groups",
    tell: async (teller) => {
      await begin(teller);
      for (const name of ["a", "b", "c"]) await burst(teller, name, 4);
    },
  },
  {
    name: "visible commits, then a flush",
    tell: async (teller) => {
      await begin(teller);
      for (let i = 0; i < 4; i++) await teller.send(teller.change([[1, `k${i}`, "v"]]), "visible");
      await teller.until(teller.engine.flush());
      for (let i = 0; i < 3; i++) await teller.send(teller.change([[1, `k${i}`, "w"]]), "visible");
    },
  },
  {
    name: "commits in one turn",
    tell: async (teller) => {
      await begin(teller);
      for (let i = 0; i < 6; i++) teller.sendSync(teller.change([[1, `k${i}`, `v${i}`]]));
      await teller.close();
    },
  },
  {
    name: "visible and durable commits together",
    tell: async (teller) => {
      await begin(teller);
      for (let i = 0; i < 5; i++) {
        const visible = teller.send(teller.change([[1, `v${i}`, "1"]]), "visible");
        const durable = teller.send(teller.change([[1, `d${i}`, "1"]]), "durable");
        await Promise.all([visible, durable]);
      }
    },
  },
  {
    name: "large values, in groups of several parts",
    tell: async (teller) => {
      await begin(teller);
      await teller.put([1, "a", long("a", 3000)], [2, "a", long("b", 100)]);
      await teller.put([2, "b", long("c", 9000)]);
      await teller.put([1, "a"], [1, "c", long("d", 2000)]);
      await teller.close();
    },
  },
  {
    name: "segments follow each other",
    tell: async (teller) => {
      await begin(teller);
      await fill(teller, 0, 14, 200);
    },
  },
  {
    name: "a checkpoint",
    tell: async (teller) => {
      await begin(teller);
      await fill(teller, 0, 4);
      await teller.until(teller.engine.checkpoint());
      await fill(teller, 4, 6);
    },
  },
  {
    name: "a checkpoint beside commits",
    tell: async (teller) => {
      await begin(teller);
      await fill(teller, 0, 3);
      const checkpoint = teller.until(teller.engine.checkpoint());
      // It may fail together with a commit, which is then the one that is waited for.
      checkpoint.catch(() => undefined);
      await burst(teller, "a", 4);
      await burst(teller, "b", 2);
      await checkpoint;
      await burst(teller, "c", 2);
    },
  },
  {
    name: "checkpoints that remove what is old",
    tell: async (teller) => {
      await begin(teller);
      for (let round = 0; round < 4; round++) {
        await fill(teller, round * 3, round * 3 + 4, 300);
        await teller.until(teller.engine.checkpoint());
      }
      await teller.close();
    },
  },
  {
    name: "a compaction",
    tell: async (teller) => {
      await begin(teller);
      await fill(teller, 0, 10, 400);
      await teller.until(teller.engine.checkpoint());
      await teller.put(...Array.from({ length: 8 }, (_, i) => [1, `k${i}`] as const));
      await teller.until(teller.engine.compact());
      await fill(teller, 10, 12);
    },
  },
  {
    name: "ranges and whole trees are cleared",
    tell: async (teller) => {
      await begin(teller);
      await fill(teller, 0, 8);
      await teller.send(teller.deleteRange(1, "k2", "k5"));
      await teller.until(teller.engine.checkpoint());
      await teller.send(teller.clear(2));
      await fill(teller, 8, 10);
      await teller.send(teller.clear(1));
      await teller.close();
    },
  },
  {
    name: "trees come and go",
    tell: async (teller) => {
      await begin(teller);
      for (let id = 3; id < 6; id++) {
        await teller.send(teller.create(id, id % 2 === 0 ? "hashed" : "ordered"));
        await teller.put([id, "a", "1"], [1, `t${id}`, "1"]);
        if (id === 4) await teller.until(teller.engine.checkpoint());
      }
      await teller.send(teller.drop(3));
      await teller.send(teller.drop(4));
      await teller.close();
    },
  },
  {
    name: "closed and opened again",
    tell: async (teller) => {
      await begin(teller);
      for (let session = 0; session < 3; session++) {
        await fill(teller, session * 3, session * 3 + 3);
        await teller.close();
        await teller.open();
      }
      await teller.put([1, "last", "1"]);
    },
  },
  {
    name: "killed and opened again",
    tell: async (teller) => {
      await begin(teller);
      for (let session = 0; session < 4; session++) {
        await fill(teller, session * 3, session * 3 + 3);
        if (session === 2) await teller.until(teller.engine.checkpoint());
        // Nothing is closed: the next open finds the files as a killed process leaves them.
        await teller.rest();
        await teller.open();
      }
      await teller.put([1, "last", "1"]);
    },
  },
  {
    name: "synced after a while",
    tell: async (teller) => {
      let due: (() => void) | undefined;
      const timers = {
        after: (_ms: number, run: () => void) => {
          due = run;
          return () => undefined;
        },
      };
      await teller.open({ durability: { relaxed: 50 }, timers });
      await teller.plant();
      for (let i = 0; i < 8; i++) {
        await teller.put([1, `k${i}`, "v"]);
        if (i % 3 === 2) due?.();
      }
      await teller.close();
    },
  },
  {
    name: "never synced but by checkpoints",
    tell: async (teller) => {
      await teller.open({ durability: "none" });
      await teller.plant();
      await fill(teller, 0, 5);
      const { seq } = teller;
      await teller.until(teller.engine.checkpoint(), seq);
      await fill(teller, 5, 9, 300);
    },
  },
  {
    name: "checkpoints come by themselves, also within one turn",
    tell: async (teller) => {
      await teller.open({ checkpointLogBytes: 1500 });
      await teller.plant();
      for (let i = 0; i < 12; i++) {
        teller.sendSync(teller.change([[1, `k${i % 5}`, long("v", 300)]]));
      }
      await fill(teller, 0, 4, 200);
      await teller.close();
    },
  },
  {
    name: "hashed trees that grow and split",
    tell: async (teller) => {
      await begin(teller);
      for (let i = 0; i < 5; i++) {
        const changes = Array.from(
          { length: 12 },
          (_, at) => [2, `key ${i} ${at}`, long("h", 60)] as const,
        );
        await teller.put(...changes);
      }
      await teller.until(teller.engine.checkpoint());
      await teller.put([2, "key 0 0"], [2, "key 1 1"], [2, "new", "1"]);
      await teller.close();
    },
  },
  { name: "a backup", tell: backup },
  { name: "random work, short", tell: (teller) => randomWork(teller, 8) },
  { name: "random work, longer", tell: (teller) => randomWork(teller, 16) },
];
