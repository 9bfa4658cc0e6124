/**
 * The NATS client's connection over Deno's own TCP and TLS.
 *
 * The client's package for Node runs in Deno too, but takes its error listeners off a socket before
 * an error that is already on its way is told: a server that refuses credentials and resets the
 * connection then ends, now and then, the whole process with an uncaught ECONNRESET. Here an
 * error of a read or a write has one place to go, the connection's own end.
 *
 * TLS follows the server: when it offers TLS the connection is encrypted, and its certificate is
 * checked against the runtime's store (`DENO_TLS_CA_STORE`, `DENO_CERT`).
 */

import {
  checkOptions,
  type ConnectionOptions,
  errors,
  INFO,
  type Server,
  type ServerInfo,
  setTransportFactory,
  type Transport,
} from "@nats-io/nats-core/internal";

/** The client keeps views into what was read, so a region is never read into twice. */
const SLAB_BYTES = 256 * 1024;
/** With less room than this a new slab is begun. */
const MIN_READ_BYTES = 32 * 1024;
/** A server's first line is some hundred bytes; this is no NATS server. */
const MAX_INFO_BYTES = 64 * 1024;

/** Makes this the transport of the connections that the client opens from now on. */
export function useTcpTransport(): void {
  setTransportFactory({ factory: () => new TcpTransport() });
}

class TcpTransport implements Transport {
  readonly lang = "baton";
  readonly version = "1.0.0";
  closeError?: Error;
  readonly #closed = Promise.withResolvers<void | Error>();
  readonly #outgoing: Uint8Array[] = [];
  #connection?: Deno.TcpConn | Deno.TlsConn;
  #slab = new Uint8Array(SLAB_BYTES);
  #slabUsed = 0;
  #firstBytes = new Uint8Array();
  #isEncrypted = false;
  #isConnected = false;
  #isClosed = false;
  #writing: Promise<void> | undefined;

  get isClosed(): boolean {
    return this.#isClosed;
  }

  isEncrypted(): boolean {
    return this.#isEncrypted;
  }

  async connect(server: Server, options: ConnectionOptions): Promise<void> {
    const { hostname, port } = server;
    const connection = await Deno.connect({ hostname, port });
    connection.setNoDelay(true);
    this.#hold(connection);
    const info = await this.#readInfo(connection);
    checkOptions(info, options);
    if (info.tls_required || info.tls_available) {
      const encrypted = await Deno.startTls(connection, { hostname });
      this.#hold(encrypted);
      await encrypted.handshake();
      this.#isEncrypted = true;
    }
    this.#isConnected = true;
  }

  async *[Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    yield this.#firstBytes;
    while (!this.#isClosed) {
      let bytes: Uint8Array | undefined;
      try {
        bytes = await this.#read();
      } catch (error) {
        return this.#end(toError(error));
      }
      if (bytes === undefined) return this.#end();
      yield bytes;
    }
  }

  send(frame: Uint8Array): void {
    if (this.#isClosed) return;
    this.#outgoing.push(frame);
    this.#writing ??= this.#write();
  }

  close(error?: Error): Promise<void> {
    this.#end(error);
    return Promise.resolve();
  }

  disconnect(): void {
    this.#end();
  }

  closed(): Promise<void | Error> {
    return this.#closed.promise;
  }

  /** Ends the connection without telling: another one takes its place. */
  discard(): void {
    this.#isClosed = true;
    this.#release();
  }

  /** Keeps the connection to close it, or closes it when this transport is no longer wanted. */
  #hold(connection: Deno.TcpConn | Deno.TlsConn): void {
    this.#connection = connection;
    if (!this.#isClosed) return;
    this.#release();
    throw new errors.ClosedConnectionError();
  }

  async #readInfo(connection: Deno.TcpConn): Promise<ServerInfo> {
    const decoder = new TextDecoder();
    const line = new Uint8Array(MAX_INFO_BYTES);
    let length = 0;
    while (length < line.byteLength) {
      const count = await connection.read(line.subarray(length));
      if (count === null) throw new errors.ConnectionError("the server closed the connection");
      length += count;
      const match = INFO.exec(decoder.decode(line.subarray(0, length)));
      if (!match?.[1]) continue;
      this.#firstBytes = line.slice(0, length);
      return JSON.parse(match[1]);
    }
    throw new errors.ConnectionError("this is not a NATS server");
  }

  async #read(): Promise<Uint8Array | undefined> {
    if (this.#slab.byteLength - this.#slabUsed < MIN_READ_BYTES) {
      this.#slab = new Uint8Array(SLAB_BYTES);
      this.#slabUsed = 0;
    }
    const count = await this.#connection?.read(this.#slab.subarray(this.#slabUsed)) ?? null;
    if (count === null) return undefined;
    const begin = this.#slabUsed;
    this.#slabUsed += count;
    return this.#slab.subarray(begin, this.#slabUsed);
  }

  async #write(): Promise<void> {
    try {
      for (let frame = this.#outgoing.shift(); frame; frame = this.#outgoing.shift()) {
        for (let sent = 0; sent < frame.byteLength;) {
          sent += await this.#connection?.write(frame.subarray(sent)) ?? frame.byteLength;
        }
      }
    } catch (error) {
      this.#end(toError(error));
    } finally {
      this.#writing = undefined;
    }
  }

  #end(error?: Error): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (error) this.closeError = error;
    this.#release();
    // One that never connected is not told: the client is still dialling and knows already.
    if (this.#isConnected) this.#closed.resolve(error);
  }

  #release(): void {
    this.#outgoing.length = 0;
    try {
      this.#connection?.close();
    } catch (error) {
      // The runtime has closed it before.
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
    this.#connection = undefined;
  }
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
