/**
 * Lets go of the event loop once: timers, signals and the work of others come first.
 *
 * A message port and not a timer: its turn comes at once, it exists on every runtime, and it keeps
 * the process alive until it has come.
 */
export function nextTurn(): Promise<void> {
  if (typeof MessageChannel === "undefined") return Promise.resolve();
  return new Promise<void>((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });
}
