/** The KV transfers of a request, each as both of its ends saw it. */

import { formatDuration } from "../../../shared/trace_view/format.ts";
import { numberAttribute, textAttribute } from "../../../shared/trace_view/span.ts";
import { allNodes, type SpanNode, type TraceTree } from "../../../shared/trace_view/trace_tree.ts";
import { h } from "./dom.ts";
import { listTable } from "./list_table.ts";

const TRANSFER_ID = "kv.transfer_id";

export interface KvTransfer {
  /** Null where its process was killed before it could tell. */
  readonly send: SpanNode | null;
  readonly receive: SpanNode | null;
}

/** Pairs the ends by the transfer's id; an end without one stands alone. */
export function kvTransfers(tree: TraceTree): KvTransfer[] {
  const nodes = allNodes(tree.roots);
  const receives = new Set(nodes.filter(({ span }) => span.name === "kv.receive"));
  const sends = nodes.filter(({ span }) => span.name === "kv.send");
  const pairs = sends.map((send): KvTransfer => {
    const id = textAttribute(send.span, TRANSFER_ID);
    const receive = [...receives].find((node) =>
      send.children.includes(node) ||
      (id !== undefined && textAttribute(node.span, TRANSFER_ID) === id)
    );
    if (receive !== undefined) receives.delete(receive);
    return { send, receive: receive ?? null };
  });
  return [...pairs, ...[...receives].map((receive) => ({ send: null, receive }))];
}

/** A section for each transfer. */
export function kvTransferParts(tree: TraceTree): HTMLElement[] {
  return kvTransfers(tree).map(({ send, receive }) =>
    h("section", [
      h("h2", ["KV transfer"]),
      listTable(
        ["", place("sender", send), place("receiver", receive)],
        [
          row(
            "open for",
            { send, receive },
            ({ startUs, endUs }) => formatDuration(endUs - startUs),
          ),
          row("bytes", { send, receive }, figure("kv.bytes")),
          row("blocks", { send, receive }, figure("kv.blocks")),
          row("tokens", { send, receive }, figure("kv.tokens")),
          row("messages", { send, receive }, figure("kv.chunks")),
          row("waited for credit", { send, receive }, milliseconds("kv.credit_wait_ms")),
          row("on the wire", { send, receive }, milliseconds("kv.wire_ms")),
          row("failed", { send, receive }, ({ span }) => textAttribute(span, "error.type") ?? ""),
        ].filter((cells) => cells.slice(1).some((cell) => cell !== "" && cell !== MISSING)),
      ),
    ])
  );
}

const MISSING = "–";

/** Which service an end was; an end that was killed told nothing. */
function place(end: string, node: SpanNode | null): string {
  return node === null ? `no ${end} told of it` : `${end} ${node.span.service}`;
}

function row(
  label: string,
  { send, receive }: KvTransfer,
  tell: (node: SpanNode) => string,
): string[] {
  return [label, ...[send, receive].map((node) => node === null ? MISSING : tell(node))];
}

function figure(name: string): (node: SpanNode) => string {
  return ({ span }) => numberAttribute(span, name)?.toLocaleString("en") ?? "";
}

function milliseconds(name: string): (node: SpanNode) => string {
  return ({ span }) => {
    const ms = numberAttribute(span, name);
    return ms === undefined ? "" : formatDuration(ms * 1000);
  };
}
