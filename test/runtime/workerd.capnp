# `workerd test` on the bundle that run.mjs writes next to a copy of this file. Without
# nodejs_compat: the package must not need it.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "smoke", worker = .smoke)],
);

const smoke :Workerd.Worker = (
  modules = [
    (name = "worker.js", esModule = embed "worker.js"),
    (name = "core.wasm", wasm = embed "core.wasm"),
    (name = "vector.relaxed.wasm", wasm = embed "vector.relaxed.wasm"),
  ],
  compatibilityDate = "2026-10-01",
);
