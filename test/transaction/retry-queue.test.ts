import { describe, expect, test } from "vitest";
import { RetryQueue } from "../../src/transaction/retry-queue.ts";

/** Timers that run when the test says so. */
class TestTimers {
  readonly #runs: (() => void)[] = [];
  after(_ms: number, run: () => void): () => void {
    this.#runs.push(run);
    return () => {
      const at = this.#runs.indexOf(run);
      if (at >= 0) this.#runs.splice(at, 1);
    };
  }
  get waiting(): number {
    return this.#runs.length;
  }
  fire(): void {
    this.#runs.shift()?.();
  }
}

describe("the queue of those who try again", () => {
  test("grants one turn at a time, in order", async () => {
    const timers = new TestTimers();
    const queue = new RetryQueue(timers);
    const order: number[] = [];
    let inside = 0;
    await Promise.all(
      [1, 2, 3, 4].map(async (number) => {
        const end = await queue.turn();
        inside++;
        expect(inside).toBe(1);
        await Promise.resolve();
        order.push(number);
        inside--;
        end();
        end();
      }),
    );
    expect(order).toEqual([1, 2, 3, 4]);
    expect(timers.waiting).toBe(0);
    (await queue.turn())();
  });

  test("passes whoever keeps a turn too long, whose end then says nothing", async () => {
    const timers = new TestTimers();
    const queue = new RetryQueue(timers);
    const endFirst = await queue.turn();
    const second = queue.turn();
    const third = queue.turn();
    timers.fire();
    const endSecond = await second;
    endFirst();
    let isThird = false;
    third.then(() => {
      isThird = true;
    });
    await Promise.resolve();
    expect(isThird).toBe(false);
    endSecond();
    (await third)();
    expect(timers.waiting).toBe(0);
  });
});
