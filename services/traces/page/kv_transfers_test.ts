import { assertEquals } from "@std/assert/mod.js";
import { sampleTrace } from "../../../shared/trace_view/testing/sample_trace.ts";
import { buildTree } from "../../../shared/trace_view/trace_tree.ts";
import { kvTransfers } from "./kv_transfers.ts";

function ends(tree: Parameters<typeof kvTransfers>[0]): (string | undefined)[][] {
  return kvTransfers(tree).map(({ send, receive }) => [send?.span.service, receive?.span.service]);
}

Deno.test("kvTransfers pairs both ends, also of a transfer that failed, and keeps a lone one", () => {
  assertEquals(ends(buildTree(sampleTrace())), [["prefill", "decode"]]);
  const id = { "kv.transfer_id": "t1" };
  const failed = sampleTrace((sample) => {
    if (sample.id === "ps") return { ...sample, more: { ...sample.more, attributes: id } };
    return sample.id === "kr" ? { ...sample, parent: "dh", more: { attributes: id } } : sample;
  });
  assertEquals(ends(buildTree(failed)), [["prefill", "decode"]]);
  const killed = sampleTrace((sample) => sample.id === "ps" ? null : sample);
  assertEquals(ends(buildTree(killed)), [[undefined, "decode"]]);
});
