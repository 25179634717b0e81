// Many processes on several runtimes race for one database folder, and are killed and stopped at
// random. Counts from outside whether two of them were ever in at once; that must be 0.
//
//   node test/process/lock-race.mjs [seconds = 60] [--runtimes=node,node24,deno,bun] [--openers=8]
//        [--mistake=NAME] (leaves a part of the lock out, to see that the race would notice)
//
// node is the one that runs this; the others come from test/runtime/install, when installed there.
import { spawn } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import * as esbuild from "esbuild";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runtimes: { type: "string" },
    openers: { type: "string", default: "8" },
    mistake: { type: "string" },
  },
});
const seconds = Number(positionals[0] ?? 60);
const bin = new URL("../runtime/install/node_modules/.bin/", import.meta.url).pathname;

const commands = { node: [process.execPath] };
if (existsSync(join(bin, "node"))) commands.node24 = [join(bin, "node")];
if (existsSync(join(bin, "deno"))) commands.deno = [join(bin, "deno"), "run", "-A", "--no-lock"];
if (existsSync(join(bin, "bun"))) commands.bun = [join(bin, "bun")];
const runtimes = values.runtimes?.split(",") ?? Object.keys(commands);
for (const runtime of runtimes) {
  if (commands[runtime] === undefined) throw new Error(`${runtime} is not installed in ${bin}`);
}

// --- the opener, once as it is and once with a pause before any call of node:fs ------------------

const mistakes = {
  "no second look": [
    "if ((await newestGeneration(lock)) === generation) return record;",
    "return record;",
  ],
  "guess that it is dead": [
    "if (isProcessGone(record)) return true;",
    "if (isProcessGone(record) || Math.random() < 0.02) return true;",
  ],
  "replace the claim": ["linkSync(staged, path);", "renameSync(staged, path);"],
};

const mistaken = {
  name: "mistake",
  setup(build) {
    const [from, to] = mistakes[values.mistake];
    let found = false;
    build.onLoad({ filter: /storage\/node-fs\/.*\.ts$/ }, ({ path }) => {
      const source = readFileSync(path, "utf8");
      found ||= source.includes(from);
      return { contents: source.replace(from, to), loader: "ts" };
    });
    build.onEnd(() => {
      if (!found) throw new Error(`the mistake "${values.mistake}" fits no source`);
    });
  },
};

const pausedCalls = ["linkSync", "lstatSync", "openSync", "readFileSync", "readdirSync"].concat([
  "renameSync",
  "unlinkSync",
]);
const pausedExport = (name) => `export const ${name} = (...a) => (pause(), fs.${name}(...a));`;
const pausing = {
  name: "pausing",
  setup(build) {
    build.onResolve({ filter: /^node:fs$/ }, ({ importer }) =>
      importer.includes("storage/node-fs") ? { path: "fs", namespace: "pausing" } : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: "pausing" }, () => ({
      contents: `
        import * as fs from "node:fs";
        export * from "node:fs";
        const cell = new Int32Array(new SharedArrayBuffer(4));
        function pause() {
          if (Math.random() < 0.1) Atomics.wait(cell, 0, 0, Math.random() ** 3 * 150);
        }
        ${pausedCalls.map(pausedExport).join("\n")}
      `,
    }));
  },
};

const place = mkdtempSync(join(tmpdir(), "cairn-race-"));
async function bundle(name, ...plugins) {
  const outfile = join(place, `${name}.mjs`);
  await esbuild.build({
    entryPoints: [new URL("lock-race.opener.ts", import.meta.url).pathname],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "es2022",
    logLevel: "error",
    plugins: values.mistake === undefined ? plugins : [...plugins, mistaken],
  });
  return outfile;
}
const programs = { quick: await bundle("quick"), paused: await bundle("paused", pausing) };

// --- the race ----------------------------------------------------------------------------------

const folder = join(place, "database");
const journal = join(place, "journal");
mkdirSync(folder);
writeFileSync(journal, "");
const openers = new Map();
let started = 0;
let running = true;

function start() {
  const runtime = runtimes[started % runtimes.length];
  const program = Math.random() < 0.4 ? "paused" : "quick";
  const id = `${runtime}/${program}/${started++}`;
  const [command, ...args] = commands[runtime];
  const child = spawn(command, [...args, programs[program], folder, journal, id, "20"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  openers.set(id, child);
  child.on("exit", () => {
    openers.delete(id);
    if (running) start();
  });
}

/** The line goes first: whatever the opener does before it is surely done alive. */
function signal(id, line, name) {
  appendFileSync(journal, `${line} ${id} -\n`);
  openers.get(id)?.kill(name);
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const stops = new Set();
for (let n = 0; n < Number(values.openers); n++) start();
const end = performance.now() + seconds * 1000;
while (performance.now() < end) {
  await sleep(20 + Math.random() * 100);
  const ids = [...openers.keys()];
  const last = readFileSync(journal, "latin1").match(/.*^E (\S+)/ms)?.[1];
  const id = Math.random() < 0.5 ? last : ids[Math.floor(Math.random() * ids.length)];
  if (!openers.has(id)) continue;
  if (Math.random() < 0.4) {
    signal(id, "K", "SIGKILL");
  } else {
    signal(id, "S", "SIGSTOP");
    stops.add(setTimeout(() => signal(id, "C", "SIGCONT"), Math.random() ** 3 * 600));
  }
}
running = false;
for (const stop of stops) clearTimeout(stop);
for (const [id, child] of openers) {
  child.kill("SIGCONT");
  signal(id, "K", "SIGKILL");
}
while (openers.size > 0) await sleep(10);

// --- the count ---------------------------------------------------------------------------------

const count = { acquisitions: 0, takeovers: 0, stops: 0, kills: 0, processes: started };
const acquisitionsBy = {};
const faults = [];
const inside = new Map();
const killed = new Set();
const generations = new Set();
let newest = { id: "", generation: 0 };

for (const line of readFileSync(journal, "utf8").split("\n")) {
  const [kind, id, what] = line.split(" ");
  const generation = Number(what);
  if (kind === "E") {
    for (const [other, its] of inside) {
      if (killed.has(other)) count.takeovers++;
      else faults.push(`${id} came in with ${generation} while ${other} was in with ${its}`);
    }
    inside.clear();
    if (generations.has(generation)) faults.push(`generation ${generation} was claimed twice`);
    if (generation <= newest.generation) faults.push(`generation ${generation} came late`);
    generations.add(generation);
    inside.set(id, generation);
    newest = { id, generation };
    count.acquisitions++;
    const runtime = id.split("/")[0];
    acquisitionsBy[runtime] = (acquisitionsBy[runtime] ?? 0) + 1;
  } else if (kind === "T" || kind === "L") {
    if (newest.id !== id || newest.generation !== generation) {
      faults.push(`${id} was in with ${generation} after ${newest.id} came`);
    }
    if (kind === "L") inside.delete(id);
  } else if (kind === "X") {
    faults.push(`${id} failed with ${what}`);
    inside.delete(id);
  } else if (kind === "K") {
    killed.add(id);
    count.kills++;
  } else if (kind === "S") {
    count.stops++;
  }
}

console.log(JSON.stringify({ seconds, runtimes, ...count, acquisitionsBy, faults: faults.length }));
for (const fault of faults.slice(0, 20)) console.log(fault);
if (faults.length === 0) rmSync(place, { recursive: true });
else console.log(`kept ${place}`);
process.exitCode = faults.length === 0 && count.acquisitions > 0 ? 0 : 1;
