import { assertEquals } from "@std/assert/mod.js";
import { KeepPolicy } from "./keep_policy.ts";

const OK = { outcome: "success" };
const FAILED = { outcome: "error" };

Deno.test("KeepPolicy keeps what took longer than the time, and what failed however quick", () => {
  const policy = new KeepPolicy({ of: "time", ms: 100 });
  assertEquals(policy.judge({ durationMs: 100, ...OK }), null);
  assertEquals(policy.judge({ durationMs: 100.5, ...OK }), "slow");
  assertEquals(policy.judge({ durationMs: 1, ...FAILED }), "failed");
  assertEquals(policy.judge({ durationMs: 1000, ...FAILED }), "failed");
});

Deno.test("KeepPolicy without a threshold keeps failed requests only", () => {
  const policy = new KeepPolicy(null);
  assertEquals(policy.judge({ durationMs: 1e9, ...OK }), null);
  assertEquals(policy.judge({ durationMs: 1, ...FAILED }), "failed");
});

Deno.test("KeepPolicy takes nothing for slow before it knows what is usual", () => {
  const policy = new KeepPolicy({ of: "p95", factor: 2 });
  for (let i = 0; i < 19; i++) assertEquals(policy.judge({ durationMs: 10, ...OK }), null);
  assertEquals(policy.judge({ durationMs: 1e9, ...OK }), null);
});

Deno.test("KeepPolicy compares with a multiple of the running 95th percentile", () => {
  const policy = new KeepPolicy({ of: "p95", factor: 2 });
  for (let i = 1; i <= 100; i++) policy.judge({ durationMs: i, ...OK });
  // The last of 100 that it was computed at is the 100th: 95.
  assertEquals(policy.judge({ durationMs: 190, ...OK }), null);
  assertEquals(policy.judge({ durationMs: 191, ...OK }), "slow");
});

Deno.test("KeepPolicy follows the load: what is usual now counts, failures do not", () => {
  const policy = new KeepPolicy({ of: "p95", factor: 2 });
  for (let i = 0; i < 100; i++) policy.judge({ durationMs: 10, ...OK });
  for (let i = 0; i < 1000; i++) policy.judge({ durationMs: 1e9, ...FAILED });
  assertEquals(policy.judge({ durationMs: 100, ...OK }), "slow");
  for (let i = 0; i < 600; i++) policy.judge({ durationMs: 100, ...OK });
  assertEquals(policy.judge({ durationMs: 150, ...OK }), null);
});

Deno.test("KeepPolicy learns what is usual from the requests that were served alone", () => {
  const policy = new KeepPolicy({ of: "p95", factor: 2 });
  for (let i = 0; i < 100; i++) policy.judge({ durationMs: 10, ...OK });
  for (const outcome of ["rejected", "cancelled"]) {
    for (let i = 0; i < 1000; i++) policy.judge({ durationMs: 0.1, outcome });
  }
  assertEquals(policy.judge({ durationMs: 15, ...OK }), null);
  assertEquals(policy.judge({ durationMs: 25, outcome: "rejected" }), "slow");
});
