import { afterEach, describe, expect, test, vi } from "vitest";
import { isCairnError } from "../../src/errors.ts";
import * as noFiles from "../../src/storage/no-files.ts";
import { breakLock, lockHolder, openNodeStorage } from "../../src/storage/no-files.ts";
import * as nodeFs from "../../src/storage/node-fs/index.ts";
import { read } from "../tidy/repository.ts";

const generated = /"([A-Za-z0-9+/=]+)"/.exec(read("bindings/wasm.generated.ts"))?.[1] ?? "";

interface Decoder {
  fromBase64?: (text: string) => Uint8Array;
}
const platform = Uint8Array as unknown as Decoder;
const ofPlatform = platform.fromBase64;

describe("loading the core", () => {
  afterEach(() => {
    if (ofPlatform === undefined) delete platform.fromBase64;
    else platform.fromBase64 = ofPlatform;
    vi.resetModules();
    vi.restoreAllMocks();
  });

  async function compiledBytes(): Promise<Buffer> {
    const compiled: Uint8Array[] = [];
    class Recorded extends WebAssembly.Module {
      constructor(bytes: Uint8Array<ArrayBuffer>) {
        super(bytes);
        compiled.push(bytes.slice());
      }
    }
    vi.spyOn(WebAssembly, "Module").mockImplementation(Recorded as never);
    const { loadCore } = await import("../../bindings/load.ts");
    expect(compiled, "importing compiles nothing").toHaveLength(0);
    expect(loadCore(), "one module for all").toBe(loadCore());
    expect(compiled).toHaveLength(1);
    return Buffer.from(compiled[0]);
  }

  test("decodes with atob where there is nothing better", async () => {
    delete platform.fromBase64;
    expect((await compiledBytes()).equals(Buffer.from(generated, "base64"))).toBe(true);
  });

  test("decodes with Uint8Array.fromBase64 where it exists", async () => {
    const used: string[] = [];
    platform.fromBase64 = (text) => {
      used.push(text);
      return new Uint8Array(Buffer.from(text, "base64"));
    };
    expect((await compiledBytes()).equals(Buffer.from(generated, "base64"))).toBe(true);
    expect(used).toEqual([generated]);
  });
});

describe("where there are no files", () => {
  test("every function of node-fs has its counterpart", () => {
    const functions = Object.entries(nodeFs)
      .filter(([, value]) => typeof value === "function" && !/^class\b/.test(String(value)))
      .map(([name]) => name);
    expect(Object.keys(noFiles)).toEqual(expect.arrayContaining(functions));
  });

  test.each([
    ["opening", async () => openNodeStorage("a")],
    ["asking for the lock", () => lockHolder("a")],
    ["breaking the lock", () => breakLock("a")],
  ])("%s is refused and says which storages exist", async (_name, action) => {
    const error: unknown = await action().catch((reason: unknown) => reason);
    expect(isCairnError(error, "argument_invalid")).toBe(true);
    expect((error as Error).message).toContain('"memory:"');
  });
});
