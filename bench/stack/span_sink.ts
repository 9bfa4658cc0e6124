/** A collector that counts spans and throws them away. */

import { WireReader } from "../../shared/otlp/wire_reader.ts";

/** Of TracesData, ResourceSpans and ScopeSpans: where the next inner message is. */
const INNER_FIELDS = [1, 2, 2] as const;

export class SpanSink implements AsyncDisposable {
  /** That came so far. */
  spans = 0;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    this.#server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      async (request) => {
        const body = await request.bytes();
        this.spans += countInner(body, INNER_FIELDS);
        return new Response(null, { headers: { "content-type": "application/x-protobuf" } });
      },
    );
  }

  /** Takes OTLP/HTTP in protobuf, uncompressed, as services send it by default. */
  get tracesUrl(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/v1/traces`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

function countInner(bytes: Uint8Array, [field, ...rest]: readonly number[]): number {
  if (field === undefined) return 1;
  let count = 0;
  const reader = new WireReader(bytes);
  while (reader.next()) {
    if (reader.field === field) count += countInner(reader.slice(), rest);
    else reader.skip();
  }
  return count;
}
