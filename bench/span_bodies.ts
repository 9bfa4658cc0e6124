/** Export requests as Baton's services send them: twelve spans of each request, over three services. */

import { WireWriter } from "../shared/otlp/mod.ts";

const SERVICES = ["baton-frontend", "baton-prefill", "baton-decode"];
const SPANS_OF_SERVICE = 4;
export const SPANS_PER_REQUEST = SERVICES.length * SPANS_OF_SERVICE;

export interface RequestSpans {
  readonly traceId: string;
  /** A part of each service's body. */
  readonly parts: readonly Uint8Array<ArrayBuffer>[];
}

/** The spans of request `index`, which starts at `startNs`. One in fifty fails. */
export function requestSpans(index: number, startNs: bigint): RequestSpans {
  const traceId = crypto.getRandomValues(new Uint8Array(16));
  const rootId = crypto.getRandomValues(new Uint8Array(8));
  const parts = SERVICES.map((service, serviceIndex) => {
    const writer = new WireWriter();
    writer.message(1, () => {
      writer.message(1, () => writeResource(writer, service));
      writer.message(2, () => {
        for (let number = 0; number < SPANS_OF_SERVICE; number++) {
          const isRoot = serviceIndex === 0 && number === 0;
          writer.message(2, () => {
            writer.bytes(1, traceId);
            writer.bytes(2, isRoot ? rootId : crypto.getRandomValues(new Uint8Array(8)));
            if (!isRoot) writer.bytes(4, rootId);
            writer.string(5, isRoot ? "http-request" : `${service}.stage_${number}`);
            writer.uint32(6, isRoot ? 2 : 1);
            const spanStart = startNs +
              BigInt(serviceIndex * SPANS_OF_SERVICE + number) * 1_000_000n;
            writer.fixed64(7, spanStart);
            writer.fixed64(8, spanStart + BigInt(Math.floor(Math.random() * 2e9)));
            if (isRoot) {
              writeAttribute(writer, "x_request_id", `req-${index}`);
              writeAttribute(writer, "http.route", "/v1/chat/completions");
              writeAttribute(writer, "http.response.status_code", 200);
            }
            writeAttribute(writer, "gen_ai.request.model", "smollm2-135m-instruct");
            writeAttribute(writer, "gen_ai.usage.output_tokens", index % 200);
            writeAttribute(writer, "dyn.worker_id", `worker-${serviceIndex}`);
            writeAttribute(writer, "dyn.attempt", 1);
            if (index % 50 === 0 && serviceIndex === 2) {
              writer.message(15, () => {
                writer.string(2, "worker lost");
                writer.uint32(3, 2);
              });
            }
          });
        }
      });
    });
    return writer.finish();
  });
  return { traceId: traceId.toHex(), parts };
}

function writeResource(writer: WireWriter, service: string): void {
  writeAttribute(writer, "service.name", service, 1);
  writeAttribute(writer, "service.namespace", "dynamo", 1);
  writeAttribute(writer, "service.version", "0.1.0", 1);
  writeAttribute(writer, "service.instance.id", `${service}-1`, 1);
  writeAttribute(writer, "host.name", "host-1", 1);
}

function writeAttribute(
  writer: WireWriter,
  key: string,
  value: string | number,
  field = 9,
): void {
  writer.message(field, () => {
    writer.string(1, key);
    writer.message(2, () => {
      if (typeof value === "string") writer.string(1, value);
      else writer.int64(3, BigInt(value));
    });
  });
}
