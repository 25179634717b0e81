/** All that the CLI touches of its process, so that tests can stand in for it. */
export interface Surroundings {
  readonly stdin: Input;
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly env: { readonly [name: string]: string | undefined };
  /** Aborts at the first Ctrl-C, at SIGTERM, and when nobody reads the output any more. */
  readonly signal: AbortSignal;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

export interface Sink {
  readonly isTerminal: boolean;
  /** Characters per line, where there is a terminal. */
  readonly columns: number;
  /** Answers when there is room for more. */
  write(content: string | Uint8Array): Promise<void>;
}

export interface Input {
  readonly isTerminal: boolean;
  /** Everything until the end of the input, or until the signal aborts. */
  read(): Promise<Uint8Array>;
}

/** A terminal that somebody looks at, as opposed to a pipe, a file or the log of a build. */
export function isWatched(sink: Sink, env: Surroundings["env"]): boolean {
  return sink.isTerminal && !env.CI && env.TERM !== "dumb";
}

/** Colours only on a terminal, and not where NO_COLOR (https://no-color.org) is set to anything. */
export function hasColours(sink: Sink, env: Surroundings["env"]): boolean {
  return isWatched(sink, env) && !env.NO_COLOR;
}

/** Why the signal has aborted; the reason that it carries. */
export type Stop = "interrupted" | "output_closed";

export function stopOf(signal: AbortSignal): Stop | undefined {
  if (!signal.aborted) return undefined;
  return signal.reason === "output_closed" ? "output_closed" : "interrupted";
}
