import { assertEquals } from "@std/assert/mod.js";
import { inOperatorsWords, kvCacheTokens } from "./engine_settings.ts";

Deno.test("kvCacheTokens() is what was set, else one context, at least 4096 tokens", () => {
  assertEquals(kvCacheTokens({ DYN_KV_CACHE_TOKENS: 512 }, 8192), 512);
  assertEquals(kvCacheTokens({ DYN_KV_CACHE_TOKENS: undefined }, 8192), 8192);
  assertEquals(kvCacheTokens({ DYN_KV_CACHE_TOKENS: undefined }, 256), 4096);
});

Deno.test("inOperatorsWords() names the variables of the options to change, and nothing else", () => {
  const said = "Cannot load m.gguf: lower kvCacheTokens, set maxRows or maxBatchTokens to 20, " +
    "maxSlices or maxSequences to 4";
  assertEquals(
    inOperatorsWords(said),
    "Cannot load m.gguf: lower DYN_KV_CACHE_TOKENS, set DYN_MAX_BATCH_TOKENS or " +
      "DYN_MAX_BATCH_TOKENS to 20, DYN_MAX_SEQUENCES or DYN_MAX_SEQUENCES to 4",
  );
  assertEquals(
    inOperatorsWords("maxRowsTotal, my-kvCacheTokensX"),
    "maxRowsTotal, my-kvCacheTokensX",
  );
});
