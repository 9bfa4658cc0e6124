/**
 * Workers for tests: they answer every prompt with one fixed text, a byte a token, as the real worker
 * library frames it. Hooks hold, fail or kill them at a chosen token.
 */

import { HandlerError, type IncomingCall } from "../../../shared/bus/bus.ts";
import {
  type InstanceLoad,
  type InstanceRecord,
  type InstanceState,
  type ModelCard,
  modelCardBytes,
  type Role,
  type WorkFrame,
  type WorkRequest,
} from "../../../shared/messages/mod.ts";
import type { TokenizerData } from "../../../shared/tokenizer/mod.ts";
import type { FakeBus } from "./fake_bus.ts";

const EOS = 2;
const FIRST_BYTE = 3;

/** A vocabulary of bytes: any text can be spelled, and a character may take several tokens. */
export function byteTokenizer(): TokenizerData {
  const bytes = Array.from(
    { length: 256 },
    (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
  );
  const tokens = ["<unk>", "<s>", "</s>", ...bytes];
  return {
    model: "llama",
    pre: "default",
    tokens,
    scores: tokens.map(() => 0),
    types: tokens.map((_, id) => id === 0 ? 2 : id < FIRST_BYTE ? 3 : 6),
    bosTokenId: 1,
    eosTokenId: EOS,
    unknownTokenId: 0,
    addBos: true,
    addEos: false,
    addSpacePrefix: false,
    endOfGenerationIds: [EOS],
  };
}

export function byteTokens(text: string): number[] {
  return [...new TextEncoder().encode(text)].map((byte) => byte + FIRST_BYTE);
}

const TEMPLATE = "{% for m in messages %}{% if m.content == 'raise' %}" +
  "{{ raise_exception('no such turn') }}{% endif %}[{{ m.role }}]{{ m.content }}{% endfor %}" +
  "{% if add_generation_prompt %}[assistant]{% endif %}";

export function modelCard(changes: Partial<ModelCard> = {}): ModelCard {
  return {
    name: "tiny",
    fileDigest: "f".repeat(64),
    architecture: "llama",
    parameterCount: 1000,
    contextLength: 128,
    blockTokens: 16,
    tokenizer: byteTokenizer(),
    chatTemplate: TEMPLATE,
    ...changes,
  };
}

/** The span that a fake worker's frames name. */
export const WORKER_SPAN_ID = "b".repeat(16);

/** What the workers of a test have in common: the model's text, and the transfers between them. */
export class FakeModel {
  readonly card: ModelCard;
  readonly bytes: Uint8Array;
  cardDigest = "";
  /** Token ids of the answer to anything, without the end token. */
  readonly answer: readonly number[];
  readonly requests: WorkRequest[] = [];
  readonly headers: IncomingCall["headers"][] = [];
  readonly #promptLengths = new Map<string, number>();
  readonly #transfers = new Map<string, PromiseWithResolvers<number>>();

  private constructor(answer: string, card: ModelCard) {
    this.card = card;
    this.bytes = modelCardBytes(card);
    this.answer = byteTokens(answer);
  }

  static async create(answer: string, card: ModelCard = modelCard()): Promise<FakeModel> {
    const model = new FakeModel(answer, card);
    const digest = await crypto.subtle.digest("SHA-256", new Uint8Array(model.bytes));
    model.cardDigest = new Uint8Array(digest).toHex();
    return model;
  }

  /** Notes the request; returns how many tokens of the answer its prompt already holds. */
  begin(request: WorkRequest): number {
    this.requests.push(request);
    const { requestId, promptTokens } = request;
    const promptLength = this.#promptLengths.get(requestId) ?? promptTokens.length;
    this.#promptLengths.set(requestId, promptLength);
    return promptTokens.length - promptLength;
  }

  transfer(request: WorkRequest): PromiseWithResolvers<number> {
    const id = request.transferId!;
    const transfer = this.#transfers.get(id) ?? Promise.withResolvers<number>();
    transfer.promise.catch(() => {});
    this.#transfers.set(id, transfer);
    return transfer;
  }
}

export interface FakeWorkerOptions {
  readonly role: Role;
  readonly instanceId: string;
  readonly model: FakeModel;
  readonly load?: Partial<InstanceLoad>;
  readonly state?: InstanceState;
  /** Called before token `index` of the answer is sent; may wait, throw or kill. */
  onToken?(index: number, call: IncomingCall): Promise<void> | void;
  /** Called before anything is sent. */
  onRequest?(request: WorkRequest, call: IncomingCall): Promise<void> | void;
  /** Tokens that one frame holds. Default 1. */
  readonly frameTokens?: number;
  readonly cachedTokens?: number;
}

/** Serves `generate` and `card` and announces itself. */
export function startFakeWorker(bus: FakeBus, options: FakeWorkerOptions): InstanceRecord {
  const { role, instanceId, model } = options;
  bus.serve(role, "generate", instanceId, (call) => generate(call, options));
  bus.serve(role, "card", instanceId, async (call) => {
    const { transferId } = call.payload as { transferId: string };
    const transfer = bus.send(bus.transferSubject(transferId));
    await transfer.write({}, model.bytes);
    await transfer.finish({});
  });
  const record = instanceRecord(options);
  bus.instances.put(record);
  return record;
}

export function instanceRecord(
  { role, instanceId, model, load, state = "ready" }: FakeWorkerOptions,
): InstanceRecord {
  return {
    instanceId,
    namespace: "test",
    role,
    host: "host",
    pid: 1,
    startedAtMs: 1_700_000_000_000,
    sentAtMs: 1,
    state,
    model: {
      name: model.card.name,
      cardDigest: model.cardDigest,
      contextLength: model.card.contextLength,
      blockTokens: 16,
      blockBytes: 1024,
    },
    device: { backend: "webgpu", adapter: "fake", isSoftware: true },
    load: {
      runningSequences: 0,
      waitingSequences: 0,
      pendingPromptTokens: 0,
      usedBlocks: 0,
      totalBlocks: 64,
      queueLimit: 4,
      maxSequences: 8,
      maxBatchTokens: 128,
      ...load,
    },
    exporter: { exportedSpans: 7, droppedSpans: 0, failedBatches: 1, queuedSpans: 2 },
  };
}

async function generate(call: IncomingCall, options: FakeWorkerOptions): Promise<void> {
  const request = call.payload as WorkRequest;
  const { model } = options;
  const done = model.begin(request);
  model.headers.push(call.headers);
  const headers = { traceparent: `00-${"a".repeat(32)}-${WORKER_SPAN_ID}-01` };
  const send = (frame: WorkFrame) => {
    if (call.signal.aborted) throw new HandlerError("cancelled", "The caller left");
    call.send(frame, headers);
  };
  await options.onRequest?.(request, call);
  send({ kind: "accepted", instanceId: options.instanceId, queueDepth: 0 });
  send({ kind: "scheduled", cachedTokens: options.cachedTokens ?? 0 });
  switch (request.phase) {
    case "prefill":
      return await prefill(call, request, { options, send });
    case "decode":
      await arrived(model.transfer(request).promise, call.signal);
      return await decode(call, request, { options, send, done, from: 1 });
    case "aggregate":
      return await decode(call, request, { options, send, done, from: 0 });
  }
}

interface Run {
  readonly options: FakeWorkerOptions;
  send(frame: WorkFrame): void;
}

async function prefill(call: IncomingCall, request: WorkRequest, run: Run): Promise<void> {
  const { model, onToken } = run.options;
  await onToken?.(0, call);
  const token = model.answer[0] ?? EOS;
  run.send({ kind: "tokens", index: 0, ids: [token], step: 0 });
  model.transfer(request).resolve(token);
  const isStop = request.stopTokenIds.includes(token);
  run.send(endFrame(isStop ? "stop" : "handed_off", request, 1));
}

async function decode(
  call: IncomingCall,
  request: WorkRequest,
  { options, send, done, from }: Run & { done: number; from: number },
): Promise<void> {
  const { model, frameTokens = 1, onToken } = options;
  const left = [...model.answer, EOS].slice(done).slice(0, request.maxTokens);
  for (let index = from; index < left.length; index += frameTokens) {
    await onToken?.(done + index, call);
    send({ kind: "tokens", index, ids: left.slice(index, index + frameTokens), step: index });
  }
  const isStop = request.stopTokenIds.includes(left.at(-1) ?? -1);
  send(endFrame(isStop ? "stop" : "length", request, left.length));
}

function arrived(transfer: Promise<number>, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    transfer.then(resolve, reject);
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

function endFrame(
  finishReason: "stop" | "length" | "handed_off",
  request: WorkRequest,
  completionTokens: number,
): WorkFrame {
  return {
    kind: "end",
    finishReason,
    usage: { promptTokens: request.promptTokens.length, cachedTokens: 0, completionTokens },
    timings: {
      receivedAtMs: 100,
      scheduledAtMs: 102,
      firstTokenAtMs: 110,
      ...(request.phase === "decode" ? { kvTransferMs: 3 } : {}),
      endAtMs: 150,
    },
  };
}
