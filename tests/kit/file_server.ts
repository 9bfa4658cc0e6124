/** An HTTP server of files for tests, whose answers can be made to fail in chosen ways. */

/** How one answer differs from a good one. */
export type Fault =
  /** Breaks the connection after so many bytes of the body. */
  | { readonly kind: "break"; readonly afterBytes: number }
  | { readonly kind: "status"; readonly status: number; readonly retryAfter?: string }
  /** Answers a range request with the whole file and 200. */
  | { readonly kind: "no_ranges" }
  /** Sends the headers, a first byte and then nothing. */
  | { readonly kind: "stall" }
  /** Continues at the wrong place. */
  | { readonly kind: "wrong_range" };

export interface ServedFile {
  readonly body: Uint8Array<ArrayBuffer> | string;
  readonly contentType?: string;
  readonly etag?: string;
  /** Faults of the first answers, in order; later answers are good. */
  readonly faults?: Fault[];
}

export interface SeenRequest {
  readonly path: string;
  readonly range: string | null;
  readonly headers: Headers;
}

export class FileServer implements AsyncDisposable {
  /** By path and query, such as "/simple/x/". Tests may change it at any time. */
  readonly files = new Map<string, ServedFile>();
  readonly requests: SeenRequest[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  /** Releases answers that stall. */
  readonly #closing = Promise.withResolvers<void>();

  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {}, onError: () => new Response(null) },
      (request) => this.#answer(request),
    );
  }

  /** `http://127.0.0.1:port`. */
  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  #answer(request: Request): Response {
    const { pathname, search } = new URL(request.url);
    const range = request.headers.get("range");
    this.requests.push({ path: pathname + search, range, headers: request.headers });
    const file = this.files.get(pathname + search);
    if (file === undefined) return new Response("no such file", { status: 404 });
    const fault = file.faults?.shift();
    if (fault?.kind === "status") {
      const headers = fault.retryAfter ? { "retry-after": fault.retryAfter } : undefined;
      return new Response("fault", { status: fault.status, headers });
    }
    const bytes = typeof file.body === "string" ? new TextEncoder().encode(file.body) : file.body;
    const headers = new Headers({ "content-type": file.contentType ?? "application/octet-stream" });
    if (file.etag !== undefined) headers.set("etag", file.etag);
    const first = fault?.kind === "no_ranges" ? undefined : firstByte(request, file.etag);
    if (first === undefined) {
      headers.set("content-length", String(bytes.length));
      return new Response(this.#body(bytes, fault), { headers });
    }
    if (first >= bytes.length) {
      headers.set("content-range", `bytes */${bytes.length}`);
      return new Response(null, { status: 416, headers });
    }
    const start = fault?.kind === "wrong_range" ? first + 1 : first;
    headers.set("content-range", `bytes ${start}-${bytes.length - 1}/${bytes.length}`);
    return new Response(this.#body(bytes.subarray(start), fault), { status: 206, headers });
  }

  #body(bytes: Uint8Array<ArrayBuffer>, fault: Fault | undefined): BodyInit {
    if (fault?.kind === "break") {
      return brokenStream(bytes.subarray(0, fault.afterBytes));
    }
    if (fault?.kind === "stall") {
      const closing = this.#closing.promise;
      return new ReadableStream({
        start: (controller) => controller.enqueue(bytes.subarray(0, 1)),
        pull: () => closing,
      });
    }
    return bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.resolve();
    await this.#server.shutdown();
  }
}

/** The first byte that a range request asks for; undefined when all is asked for. */
function firstByte(request: Request, etag: string | undefined): number | undefined {
  const match = /^bytes=(\d+)-$/.exec(request.headers.get("range") ?? "");
  if (match === null) return undefined;
  const condition = request.headers.get("if-range");
  if (condition !== null && condition !== etag) return undefined;
  return Number(match[1]);
}

function brokenStream(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array> {
  let isSent = false;
  return new ReadableStream({
    pull(controller) {
      if (isSent) return controller.error(new Error("broken on purpose"));
      isSent = true;
      controller.enqueue(bytes);
    },
  });
}
