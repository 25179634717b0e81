/** Looks from another thread whether the work goes on, and names what it has stopped at. */
import { Worker } from "node:worker_threads";

const silentMsMax = 60_000;

const program = `
const { workerData } = require("node:worker_threads");
const state = new Int32Array(workerData.shared);
const names = workerData.names;
let before = -1, since = Date.now();
setInterval(() => {
  const runs = Atomics.load(state, 0);
  if (runs !== before) { before = runs; since = Date.now(); return; }
  if (Date.now() - since < workerData.silentMsMax) return;
  const target = names[Atomics.load(state, 1)];
  const input = Atomics.load(state, 2) >>> 0;
  require("node:fs").writeSync(2, "fuzz: " + target + " hangs on input " + input + "\\n");
  process.kill(process.pid, "SIGKILL");
}, 500).unref();
`;

export class Watch {
  readonly #state = new Int32Array(new SharedArrayBuffer(12));
  readonly #worker: Worker;

  constructor(names: readonly string[]) {
    const workerData = { shared: this.#state.buffer, names, silentMsMax };
    this.#worker = new Worker(program, { eval: true, workerData });
    this.#worker.unref();
  }

  /** The work begins with this input. */
  on(target: number, input: number): void {
    this.#state[1] = target;
    this.#state[2] = input;
    this.#state[0]++;
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}
